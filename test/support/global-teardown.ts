export default function setup(): void {
  // Filled in with the embedded database.
}
