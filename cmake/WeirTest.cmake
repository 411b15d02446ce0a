# weir_add_test(name sources... [LIBRARIES libs...] [LABELS labels...] [TIMEOUT seconds])
#
# A doctest executable, run by ctest. Labels choose what the sanitizer builds run: `engine`, `store`, `server`, ...
function(weir_add_test name)
  if(NOT WEIR_TESTS)
    return()
  endif()
  cmake_parse_arguments(TEST "" "TIMEOUT" "LIBRARIES;LABELS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${TEST_UNPARSED_ARGUMENTS} ${PROJECT_SOURCE_DIR}/tests/unit/doctest_main.cpp)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE weir_options ${TEST_LIBRARIES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT}
    ENVIRONMENT "WEIR_BUILD=${CMAKE_BINARY_DIR};WEIR_SOURCE=${PROJECT_SOURCE_DIR}")
endfunction()
