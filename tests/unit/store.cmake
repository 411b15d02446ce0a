weir_add_test(store_test store_test.cpp LIBRARIES weir_store LABELS store)
