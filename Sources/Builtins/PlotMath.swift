// The few functions of the C library that drawing needs.
import Glibc

func logarithm(_ number: Double) -> Double { log10(number) }
func floorLog10(_ number: Double) -> Double { log10(max(number, 1e-300)).rounded(.down) }
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// Where a number lies between two others, from 0 to 1; in the middle where they are the same or the numbers are beyond measure.
func place(_ number: Double, from low: Double, to high: Double) -> Double {
  // Halves keep the difference of huge numbers finite.
  let result = (number / 2 - low / 2) / (high / 2 - low / 2)
  return result.isFinite ? min(max(result, 0), 1) : 0.5
}
