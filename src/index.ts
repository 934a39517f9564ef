// The public API, in the order of a job's way: configure, enqueue, work, look.

export type { JobCase } from './backlog/job-cases.ts'
export type { LeftJobs, MoveProgress, MoveResult } from './backlog/move.ts'
export type { LeftReason } from './backlog/move-job.ts'
export type { Operation, OperationResult } from './backlog/operate.ts'
export type { CompareOptions } from './comparison/options.ts'
export {
  type ConfigBase,
  type CutoverConfig,
  defineConfig,
  type Logger,
  type MigrationBase,
  type,
} from './config/types.ts'
export {
  Cutover,
  type EnqueueItem,
  type Explanation,
  type HandlerOf,
  type MoveOptions,
  type OpenOptions,
  openCutover,
} from './cutover.ts'
export type { EffectCall, Handler, JobContext } from './execution/context.ts'
export type { CallOptions, HandlerMcp } from './execution/run-mcp.ts'
export type { JobEvent } from './job-history.ts'
export type { JobPage, JobsOptions, ListedJob, ListedState, ParkedView } from './job-list.ts'
export type { JobState, JobView } from './job-view.ts'
export type { McpConfig, McpHttpConfig, McpSample, McpServerConfig, McpStdioConfig } from './mcp/config.ts'
export type { McpCallResult, McpDegraded, McpTool } from './mcp/seen.ts'
export type { CancelAnswer, ControlState } from './ports/ledger.ts'
export type { ReportModel } from './report/model.ts'
export type { Enqueued } from './routing/dispatch.ts'
export type { EnqueueOptions } from './routing/prepare.ts'
export type { Worker, WorkOptions } from './runtime.ts'
export type { ScheduleOptions, ScheduleView } from './schedule-terms.ts'
export type { Comparison, ComparisonClass, Difference, DifferenceKind } from './vocabulary/comparison.ts'
export type { Dials } from './vocabulary/dials.ts'
export type { Duration } from './vocabulary/duration.ts'
export { CutoverError, type CutoverErrorCode, isCutoverError } from './vocabulary/errors.ts'
export type { CutoverEvent } from './vocabulary/events.ts'
export type { Arm, Decision, DecisionReason, Route, Side } from './vocabulary/job.ts'
