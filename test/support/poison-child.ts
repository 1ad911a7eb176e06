/*
 * Stands in for the process in which suspects run alone, and does what its first argument says with each. Not a part of
 * the product.
 */
const [, , behaviour] = process.argv;

if (behaviour === 'does-not-start') process.exit(1);

process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
const inHand: string[] = [];
const answer = (taken: string, outcome: string): void => {
  process.send?.({ taken, outcome });
};
const grown = [
  {
    name: 'plantao_model_tokens_total',
    help: 'Of a stand-in.',
    type: 'counter',
    values: [{ labels: { provider: 'stand-in' }, value: 7 }],
  },
];
process.on('message', (order: { take: string; company: 'few' | 'nobody' }) => {
  if (behaviour === 'dies') process.kill(process.pid, 'SIGKILL');
  if (behaviour === 'counts-and-dies') process.send?.({ grown }, () => process.kill(process.pid, 'SIGKILL'));
  if (behaviour === 'answers') answer(order.take, 'replied');
  if (behaviour === 'wants-alone') answer(order.take, order.company === 'few' ? 'suspect' : 'replied');
  if (behaviour === 'answers-eight') {
    inHand.push(order.take);
    if (inHand.length === 8) for (const taken of inHand.splice(0)) answer(taken, 'replied');
  }
});
process.send?.({ isReady: true });
