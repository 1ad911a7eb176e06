import { TestEnvironment } from 'jest-environment-node';

/**
 * Node's own errors are made outside the test's realm. With these the tests and the product see one `Error`, as they do
 * in production, and `instanceof` means what it says.
 */
export default class OneRealmOfErrors extends TestEnvironment {
  async setup() {
    await super.setup();
    Object.assign(this.global, { Error, TypeError, RangeError, SyntaxError, AggregateError });
  }
}
