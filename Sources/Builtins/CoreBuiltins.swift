// The builtins of the language itself, gathered from one file per subject.
import Language

/// Rows that need no tensor and no model: text, collections, numbers, files, help.
public func coreBuiltins() -> [Builtin] {
  valueBuiltins() + collectionBuiltins() + numberBuiltins() + textBuiltins() + fileBuiltins() + sessionBuiltins() + pictureBuiltins()
}
