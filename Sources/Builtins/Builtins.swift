// The table of tables: every builtin of zs.
import Language

/// All rows, area by area in the order that help lists them.
public func allBuiltins() -> [Builtin] {
  coreBuiltins() + tensorBuiltins() + modelBuiltins() + dataBuiltins() + trainingBuiltins() + distillationBuiltins() + barBuiltins()
    + stagePageBuiltins() + teacherBuiltins()
}
