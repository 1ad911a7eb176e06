/*
 * Stands in for the process in which suspects run alone, and does what its first argument says with each. Not a part of
 * the product.
 */
const [, , behaviour] = process.argv;

if (behaviour === 'does-not-start') process.exit(1);

process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
process.on('message', (order: { take: string }) => {
  if (behaviour === 'dies') process.kill(process.pid, 'SIGKILL');
  if (behaviour === 'answers') process.send?.({ taken: order.take, outcome: 'replied' });
});
process.send?.({ isReady: true });
