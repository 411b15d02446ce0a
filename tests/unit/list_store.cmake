weir_add_test(store_test store_test.cpp LIBRARIES weir_store LABELS store TIMEOUT 300)
weir_add_test(store_lineage_test store_lineage_test.cpp LIBRARIES weir_store LABELS store TIMEOUT 300)
weir_add_test(store_provenance_test store_provenance_test.cpp LIBRARIES weir_store LABELS store TIMEOUT 300)

# A disk that forgets what was not synced; it also injects errors.
if(WEIR_TESTS)
  add_library(weir_powercut_disk STATIC ${PROJECT_SOURCE_DIR}/tests/crash/powercut_disk.cpp)
  target_include_directories(weir_powercut_disk PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(weir_powercut_disk PUBLIC weir_store PRIVATE weir_options)
endif()
weir_add_test(store_failure_test store_failure_test.cpp LIBRARIES weir_powercut_disk LABELS store TIMEOUT 300)
weir_add_test(store_retained_test store_retained_test.cpp LIBRARIES weir_powercut_disk LABELS store TIMEOUT 300)
weir_add_test(store_powercut_test ${PROJECT_SOURCE_DIR}/tests/crash/powercut_test.cpp LIBRARIES weir_powercut_disk
  LABELS store crash TIMEOUT 600)
