// Which processor features the kernels were compiled for: without them the first kernel would end the process.
import CMachine

/// The features that this build of the kernels needs, in the words of `/proc/cpuinfo`, each with a blank before it.
public func requiredProcessorFeatures() -> UnsafePointer<CChar> { zs_required_features() }
