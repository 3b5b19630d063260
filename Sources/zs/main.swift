print("zs")
