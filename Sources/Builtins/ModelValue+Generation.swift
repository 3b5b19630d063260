// What a model's makers suggest for sampling: shown, never applied in silence.

import Formats
import Language
import Models

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension ModelValue {
  /// The configuration under the names of config.json, with generation_config.json as `generation`, none where there is no such file.
  func configurationMap() throws -> ValueMap {
    var map = model.configuration.map
    let path = "\(model.path)/generation_config.json"
    map["generation"] = access(path, F_OK) == 0 ? Value(try JSON.read(path: path)) : Value.none
    return map
  }
}
