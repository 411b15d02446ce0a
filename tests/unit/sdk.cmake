foreach(test json progress)
  weir_add_test(sdk_${test}_test sdk_${test}_test.cpp LIBRARIES weir_sdk LABELS sdk)
endforeach()
weir_add_conformance_test(conformance_test ${PROJECT_SOURCE_DIR}/core/conformance/conformance_test.cpp)
