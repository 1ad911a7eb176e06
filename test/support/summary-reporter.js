/** Ends the run with one plain line that any runner can count, after the list of what was skipped and why. */
export default class SummaryReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.testResults.flatMap((file) => file.testResults.filter((test) => test.status === 'pending'));
    for (const test of skipped) console.log(`skipped: ${test.fullName}`);
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    console.log(`${results.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}
