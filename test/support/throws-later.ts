/** Loaded before a program: a mistake that nobody catches, once the program works. `SIGUSR2` says when. */
process.once('SIGUSR2', () => {
  setImmediate(() => {
    throw new Error('The number of Ana Canário, 5511987650001, is not a number');
  });
});
