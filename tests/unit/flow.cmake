weir_add_test(testkit_test testkit_test.cpp LIBRARIES weir_testkit LABELS plugin)
