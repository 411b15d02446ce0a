weir_add_test(engine_test engine_flow_test.cpp engine_time_test.cpp engine_failure_test.cpp engine_restart_test.cpp
  engine_partial_test.cpp engine_memory_test.cpp engine_drain_test.cpp engine_lane_test.cpp engine_lane_lineage_test.cpp
  engine_replay_test.cpp engine_apply_test.cpp engine_terminate_test.cpp engine_terminate_end_test.cpp engine_hanging_test.cpp engine_storm_test.cpp engine_quality_test.cpp engine_fixture.cpp
  LIBRARIES weir_engine LABELS engine)
