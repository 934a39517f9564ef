// How is each number computed? The page says it by itself, in the words of `docs/report.md`, where more is written. There
// the links of all views lead.

/** In the folder of the docs. */
export const DOCS_PAGE = 'report.md'

/** `base`: of the model (`docs`). */
export function docsLink(base: string, { docs }: Pick<Definitions, 'docs'>): string {
  return `${base}${DOCS_PAGE}#${docs}`
}

/** A part of the page, and the heading in `docs/report.md` that says more. */
export interface Definitions {
  readonly title: string
  readonly docs: string
  readonly terms: readonly (readonly [name: string, meaning: string])[]
}

export const DEFINITIONS: readonly Definitions[] = [
  {
    title: 'Staged cutover',
    docs: 'rollout',
    terms: [
      ['gates', 'judged anew from the counts of this report, by the code that the controller uses'],
      ['for, against', 'natural logarithms of the evidence: proven, refuted where they reach the number beside them'],
      [
        'from, to',
        "where the true share or difference lies, of p50 and p95 how many times legacy's the quantile of target is; right at every moment at once, each end at the level of the verdict",
      ],
      ['needed', 'units and time still missing if what comes is like what was seen'],
      ['evidence over time', 'what the gates said of the counts as they stood at each look of the controller'],
      ['decision', 'the number by which cutover judge replays it from the audit log'],
    ],
  },
  {
    title: 'Jobs',
    docs: 'jobs-and-the-same-a-side-in-sides',
    terms: [
      [
        'enqueued',
        'jobs that the ledger knows: enqueued, adopted, or noted after the ledger was away; done + failed + cancelled + refused + waiting + running + moving',
      ],
      ['done', 'ended with a result'],
      ['failed', 'ended with an error, after its last attempt'],
      ['· failed by the backend', 'the backend gave the job up without running the handler; part of failed'],
      ['cancelled', 'cancelled before it was started'],
      ['refused', 'the backend refused the enqueue and the caller was told'],
      ['waiting', 'not started, delayed, or between two attempts'],
      ['running', 'a worker has it'],
      ['moving', 'on its way from one side to the other'],
      [
        '· in doubt',
        'its worker fell silent after effects had begun: nobody can tell whether they happened; part of running',
      ],
      ['· overdue', 'unfinished, and its deadline has passed'],
      ['· lost', 'overdue, and the sweeper asked the queue and found no copy'],
      ['done twice', 'ids with a second accepted completion, known for as long as finished jobs are kept'],
      ['adopted', 'found by a worker without a stamp: put there by a producer that does not use cutover yet'],
      ['unflagged', 'sent to legacy because flag or ledger could not be asked'],
      ['moved here', 'jobs that a move took to this side'],
      ['moved away', 'jobs that a move took from this side; no gate judges a moved job'],
      ['run again after a failure', 'failed jobs that were run again; their first end is not counted any more'],
      ['ended late', 'ended after the counts of their time were closed to the gates'],
      ['attempts retried', 'attempts that failed and were followed by another'],
      ['zombie outcomes', 'outcomes refused because their run had lost the job'],
      ['effects failed', 'runs that ended because an effect failed'],
      ['unrecorded', 'ran while the ledger could not be reached; in no other number'],
      ['live workers', 'processes that read the queue now'],
      ['live shadow workers', 'processes that read the shadow queue now'],
    ],
  },
  {
    title: 'Comparisons',
    docs: 'comparisons-shadow-against-primary-and-noise-control-against-legacy',
    terms: [
      ['wanted', 'jobs that were to get a copy: matched + mismatched + ignored + orphaned + shed + open'],
      ['matched', 'both runs ended, and nothing that is compared differs'],
      ['mismatched', 'both runs ended, and something differs'],
      ['ignored', 'taken out by the configuration (ignoreWhen)'],
      ['orphaned', 'the other run never came'],
      ['shed', 'the copy was not run, since too many were waiting'],
      ['moved first', 'never compared, because the job was moved or run again first'],
      ['open', 'not complete yet'],
      ['came too late', 'outcomes that came after their pair was closed without them'],
      ['· error on both', 'compared pairs in which both runs ended in an error'],
      ['· error on target only', 'compared pairs in which only the run on target ended in an error'],
      ['· error on legacy only', 'compared pairs in which only the run on legacy ended in an error'],
      ['differ', 'mismatched of matched + mismatched'],
      [
        '95 % interval',
        'where the true share lies, right at every moment at once, however often one looks; over independent units',
      ],
      [
        '· over',
        'the units: the first job of each key in an epoch, as jobs of one key fail together; without keys, pairs',
      ],
      ['· of which differ', 'mismatched of these units'],
    ],
  },
  {
    title: 'Differences',
    docs: 'differences',
    terms: [
      ['pairs', 'pairs in which the field differs in this way at least once; a pair may be in several groups'],
      ['share', 'of the compared pairs'],
      ['legacy against itself', 'the same field and kind among the controls, of the compared controls: what is noise'],
      ['example', 'of the latest epoch; values were cut and redacted when they were stored'],
    ],
  },
  {
    title: 'Errors',
    docs: 'errors',
    terms: [
      [
        'class',
        'name and code of the last error, as far as they are names; other: they are not, or a worker met too many',
      ],
      ['legacy, target', 'jobs that failed there with it'],
      [
        'shadows on legacy, on target',
        'shadow runs that ended in it; they count against target only in the gates that say so',
      ],
    ],
  },
  {
    title: 'Latency',
    docs: 'latency',
    terms: [
      ['wait', 'of primaries, from due to start'],
      ['run', 'time in the handler without the time in effects, which only a primary performs'],
      [
        'p50, p95, p99',
        'the time that this share of the runs did not exceed; never less than it was, at most 0.48 % more',
      ],
      ['ratio', 'the time on target divided by the time on legacy at the same quantile'],
    ],
  },
  {
    title: 'Moves and drain',
    docs: 'moves-and-drain',
    terms: [
      ['moved', 'jobs that a pass took to the other side; stayed: those it left where they were, by reason'],
      [
        'seen empty since',
        'cutover status or finish saw queue and ledger empty then, and nothing was sent there since',
      ],
      ['drained', 'empty for longer than anything may stall that could still put a job there'],
    ],
  },
  {
    title: 'MCP servers',
    docs: 'mcp',
    terms: [
      ['up, flaky, down', 'of the last three probes of a place all, some, none were good; not probed: none was made'],
      [
        'verdict',
        'target against legacy: same, better, worse, or inconclusive where a side did not try or neither reaches it',
      ],
      ['tools', 'the list was read to its end; missing, extra and changed are told from legacy to target'],
    ],
  },
  {
    title: 'Over time',
    docs: 'timeline-evidence-audit-configuration',
    terms: [
      ['jobs a second', 'jobs that were due in a stretch of time, divided by its length'],
      ['compared pairs that differ', 'of the pairs whose jobs were due then'],
      ['jobs not finished', 'the mean of what the sweeper counted at its looks'],
      [
        'wait of the oldest job',
        'for how long the job was due that had waited longest for its first start, the mean over the same looks',
      ],
      ['dials', 'of the epoch that was current; latched epochs as zero'],
    ],
  },
]
