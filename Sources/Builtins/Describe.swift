// Turns what the libraries throw into the one error type that a person meets.
import Distillation
import Formats
import Hub
import Language
import Models
import Network
import Tensors
import Tokenizers
import Training

/// The zs error for any error of the libraries below; an unknown type shows its own description.
public func describe(_ error: any Error) -> ZsError {
  switch error {
  case let error as ZsError: error
  case let error as TensorError: ZsError(kind: "shape", message: error.message, hint: error.hint)
  case let error as FormatError: ZsError(kind: "file", message: error.message, hint: error.hint)
  case let error as NetworkError: ZsError(kind: "network", message: error.message, hint: error.hint)
  case is NetworkCancelled: ZsError(kind: "interrupt", message: "interrupted")
  case let error as HubError: ZsError(kind: "file", message: error.message, hint: error.hint)
  case let error as TokenizerError: ZsError(kind: "model", message: error.message, hint: error.hint)
  case let error as TemplateError: ZsError(kind: "template", message: error.message, hint: error.hint)
  case let error as ModelError: ZsError(kind: "model", message: error.message, hint: error.hint)
  case let error as TrainingError: ZsError(kind: "training", message: error.message, hint: error.hint)
  case let error as TeacherError: ZsError(kind: "teacher", message: error.message, hint: error.hint)
  case is Interrupted: ZsError(kind: "interrupt", message: "interrupted")
  default: ZsError(kind: "internal", message: "\(error)")
  }
}
