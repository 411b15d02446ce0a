weir_add_test(engine_test ${CMAKE_CURRENT_LIST_DIR}/engine_test.cpp ${CMAKE_CURRENT_LIST_DIR}/engine_fixture.cpp LIBRARIES weir_engine LABELS engine)
