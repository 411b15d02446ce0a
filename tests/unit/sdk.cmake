foreach(test json progress)
  weir_add_test(sdk_${test}_test sdk_${test}_test.cpp LIBRARIES weir_sdk LABELS sdk)
endforeach()
