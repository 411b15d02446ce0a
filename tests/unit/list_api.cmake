weir_add_test(api_server_test api_server_test.cpp LIBRARIES weir_api LABELS api)
weir_add_test(api_assets_test api_assets_test.cpp engine_fixture.cpp LIBRARIES weir_api LABELS api)
weir_add_test(api_exposition_test api_exposition_test.cpp LIBRARIES weir_api LABELS api)
weir_add_test(api_pages_test api_pages_test.cpp engine_fixture.cpp LIBRARIES weir_api LABELS api)
# What needs a running flow and a client shares one program's worth of both.
weir_add_test(api_test api_events_test.cpp api_control_test.cpp api_queue_test.cpp api_provenance_test.cpp
  api_access_test.cpp api_quality_test.cpp http_client.cpp engine_fixture.cpp LIBRARIES weir_api LABELS api TIMEOUT 300)
