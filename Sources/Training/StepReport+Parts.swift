// Reports put together from the numbers that decide them, for those who have no trainer at hand: displays, pages, their tests.

extension AnswerScores {
  /// An answer whose sums are those of its tokens.
  package init(ids: [Int], logProbs: [Float], referenceLogProbs: [Float]) {
    func sum(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) } }
    self.init(
      ids: ids, logProbs: logProbs, referenceLogProbs: referenceLogProbs, sum: sum(logProbs), referenceSum: sum(referenceLogProbs))
  }
}

extension PairReport {
  /// A pair whose margin is that of its rewards.
  package init(
    index: Int, chosen: AnswerScores, rejected: AnswerScores, loss: Double, weight: Double, rewards: (chosen: Double, rejected: Double)
  ) {
    self.init(
      index: index, chosen: chosen, rejected: rejected, loss: loss, weight: weight, rewardChosen: rewards.chosen,
      rewardRejected: rewards.rejected, margin: rewards.chosen - rewards.rejected)
  }
}

extension StepReport {
  /// A report of pairs with no metric but the loss.
  package init(step: Int, loss: Double, gradNorm: Double, pairs: [PairReport]) {
    self.init(step: step, loss: loss, gradNorm: gradNorm, learningRate: 0, metrics: ["loss": loss], pairs: pairs)
  }
}
