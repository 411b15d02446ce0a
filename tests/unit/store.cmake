weir_add_test(store_test store_test.cpp LIBRARIES weir_store LABELS store)
    weir_add_test(store_lineage_test store_lineage_test.cpp LIBRARIES weir_store LABELS store)
        weir_add_test(store_provenance_test store_provenance_test.cpp LIBRARIES weir_store LABELS store)
