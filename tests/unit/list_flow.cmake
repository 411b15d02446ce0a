weir_add_test(testkit_test testkit_test.cpp LIBRARIES weir_testkit LABELS plugin)
weir_add_test(yaml_test yaml_test.cpp LIBRARIES weir_flow LABELS flow)
weir_add_test(values_test values_test.cpp LIBRARIES weir_flow LABELS flow)
weir_add_test(flow_test flow_test.cpp flow_records_test.cpp flow_fixture.cpp LIBRARIES weir_flow weir_plugin LABELS flow)
weir_add_test(flowtest_test flowtest_test.cpp LIBRARIES weir_flowtest LABELS flow)
weir_add_test(plugin_test plugin_test.cpp LIBRARIES weir_plugin LABELS plugin)

# A plugin as it should be, and one for each way to be bad. Not among the real ones: a user would see them.
foreach(plugin good bad_other_abi bad_no_entry bad_unresolved bad_null bad_empty bad_throws bad_duplicate bad_reserved
        bad_spec)
  if(NOT WEIR_TESTS)
    break()
  endif()
  add_library(test_plugin_${plugin} MODULE plugins/${plugin}.cpp)
  set_target_properties(test_plugin_${plugin} PROPERTIES PREFIX "" OUTPUT_NAME ${plugin}
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugins)
  target_link_options(test_plugin_${plugin} PRIVATE -Wl,-z,nodelete)
  target_link_libraries(test_plugin_${plugin} PRIVATE Weir::sdk weir_options)
  add_dependencies(plugin_test test_plugin_${plugin})
  add_dependencies(flow_test test_plugin_${plugin})
endforeach()
if(WEIR_TESTS)
  target_compile_definitions(plugin_test PRIVATE WEIR_TEST_PLUGINS="${CMAKE_BINARY_DIR}/tests/plugins")
  target_compile_definitions(flow_test PRIVATE WEIR_TEST_PLUGINS="${CMAKE_BINARY_DIR}/tests/plugins")
endif()

# What is said about the processors is what they declare: the reference pages, the schema, the examples.
if(WEIR_TESTS AND TARGET weir)
  add_test(NAME reference_test COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/reference_test.py $<TARGET_FILE:weir>
    ${PROJECT_SOURCE_DIR})
  set_tests_properties(reference_test PROPERTIES LABELS reference TIMEOUT 300)
endif()
