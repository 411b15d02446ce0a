# weir_add_test(name sources... [LIBRARIES libs...] [LABELS labels...] [TIMEOUT seconds] [BY command...])
#
# A doctest executable, run by ctest, or by a command that ctest runs. Labels choose what the sanitizer builds run:
# `engine`, `store`, `server`, ...
function(weir_add_test name)
  if(NOT WEIR_TESTS)
    return()
  endif()
  cmake_parse_arguments(TEST "" "TIMEOUT" "LIBRARIES;LABELS;BY" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${TEST_UNPARSED_ARGUMENTS} ${PROJECT_SOURCE_DIR}/tests/unit/doctest_main.cpp)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE weir_options ${TEST_LIBRARIES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR})
  add_test(NAME ${name} COMMAND ${TEST_BY} $<TARGET_FILE:${name}>)
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT}
    ENVIRONMENT "WEIR_BUILD=${CMAKE_BINARY_DIR};WEIR_SOURCE=${PROJECT_SOURCE_DIR}")
endfunction()

# weir_add_conformance_test(name sources... PLUGINS plugins... [LIBRARIES libs...])
#
# A test of what every source and sink promises (weir/conformance.h), with the program, these plugins and those that its
# flows need.
function(weir_add_conformance_test name)
  cmake_parse_arguments(TEST "" "" "PLUGINS;LIBRARIES" ${ARGN})
  weir_add_test(${name} ${TEST_UNPARSED_ARGUMENTS}
    LIBRARIES weir_conformance weir_test_servers ${TEST_LIBRARIES} LABELS plugin server conformance TIMEOUT 300)
  if(TARGET ${name})
    add_dependencies(${name} weir file standard ${TEST_PLUGINS})
  endif()
endfunction()
