/** The demo itself cannot go on; the message says why, to a person. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure'
}
