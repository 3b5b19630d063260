// The builtins of models: loading and what a model is made of. Text and tokens are in ModelBuiltins+Text.swift, scoring in
// ModelBuiltins+Scoring.swift, generation in ModelBuiltins+Generation.swift, adapters in ModelBuiltins+Adapters.swift, conversion and
// files in ModelBuiltins+Writing.swift.

import Language
import Models

/// Rows that load, read, score, run and adapt language models.
public func modelBuiltins() -> [Builtin] {
  loadingBuiltins() + textModelBuiltins() + scoringBuiltins() + generationBuiltins() + conversationBuiltins() + adapterBuiltins()
    + writingBuiltins()
}

/// The category that all of them stand under.
let modelCategory = "Models"
