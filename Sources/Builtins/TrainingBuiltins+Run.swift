// Taking steps: progress, evaluation, and what a run leaves behind, around the loop's own step.

import Language
import Models
import Training

/// Takes steps, reporting progress; `run` stops at the end of the run without an error.
func advance(_ trainer: TrainerValue, by count: Int, _ call: Call, isRun: Bool) throws -> ReportValue {
  let session = try Session.of(call)
  let loop = trainer.loop
  let end = isRun ? min(loop.totalSteps, loop.stepCount + count) : loop.stepCount + count
  let showsProgress = isRun || count > 1
  let logEvery = try OptionSource(call: call, fallback: trainer.options).int("log_every")
  let clock = ContinuousClock()
  var last: ReportValue?
  var seconds: Double?
  defer {
    if showsProgress { session.progress.finish() }
    session.activity.end()
  }
  do {
    try trainer.recorder?.begin(call.poll)
    repeat {
      let began = clock.now
      session.activity.begin("step \(loop.stepCount + 1)", seconds: seconds)
      // Asked once, it stops when this step is done and logged; asked twice, it drops the step, of which nothing but scratch is lost.
      let value = try trainer.takeStep { if call.context.isAbandoning { throw Interrupted() } }
      last = value
      seconds = (clock.now - began) / .seconds(1)
      if showsProgress, loop.stepCount % logEvery == 0 || loop.stepCount == end {
        session.progress.update(progress(value.report, of: loop, end: end, seconds: seconds ?? 0))
      }
      if call.context.isInterrupted, loop.stepCount < end {
        session.progress.finish()
        session.warn("stopped after step \(loop.stepCount) of \(loop.totalSteps); run(…) goes on from there")
        throw Interrupted()
      }
    } while loop.stepCount < end
  } catch {
    trainer.recorder?.stopped()
    throw error
  }
  if isRun { trainer.recorder?.finished() }
  guard let last else { throw ZsError("no step was taken") }
  return last
}

/// How far steps have come, with the numbers that matter.
func progress(_ report: StepReport, of loop: TrainLoop, end: Int, seconds: Double) -> Progress {
  var note = "loss \(printf("%.4f", report.loss))"
  if let margin = report.metrics["rewards/margins"] { note += " · margin \(printf("%+.3f", margin))" }
  if let accuracy = report.metrics["rewards/accuracies"] { note += " · accuracy \(printf("%.2f", accuracy))" }
  note += " · lr \(compact(report.learningRate)) · \(printf("%.1f", seconds)) s/step"
  let rows = loop.history.rows
  let before = rows.count > 1 ? rows[rows.count - 2]["num_tokens"] ?? 0 : 0
  if seconds > 0, let tokens = report.metrics["num_tokens"], tokens > before {
    note += " · \(Int(((tokens - before) / seconds).rounded())) tokens/s"
  }
  note += " · \(megabytes(peakResidentBytes()))"
  var progress = Progress("step", done: Double(loop.stepCount), total: Double(end), unit: "steps", note: note)
  progress.curve = rows.compactMap { $0["loss"] }
  return progress
}
