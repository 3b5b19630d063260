// The few functions of the C library that drawing needs.
import Glibc

func logarithm(_ number: Double) -> Double { log10(number) }
func floorLog10(_ number: Double) -> Double { log10(max(number, 1e-300)).rounded(.down) }
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
