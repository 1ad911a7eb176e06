import { DEMO_CUSTOMERS } from '../sandbox/demo/customers.ts';

/** Customers of one section are nobody in another. The numbers are of area codes that do not exist. */
const AREAS = { load: '5500', path: '5501', prompt: '5502', killed: '5503' } as const;

export function phoneOf(area: keyof typeof AREAS, customer: number): string {
  return `${AREAS[area]}9${String(customer).padStart(8, '0')}`;
}

const QUESTIONS = DEMO_CUSTOMERS.flatMap((customer) => customer.examples);

/** What customers ask the demo company, in turn. */
export function questionOf(index: number): string {
  return QUESTIONS[index % QUESTIONS.length] ?? '';
}
