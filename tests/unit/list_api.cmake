weir_add_test(api_server_test api_server_test.cpp LIBRARIES weir_api LABELS api)
weir_add_test(api_exposition_test api_exposition_test.cpp LIBRARIES weir_api LABELS api)
weir_add_test(api_pages_test api_pages_test.cpp engine_fixture.cpp LIBRARIES weir_api LABELS api)
weir_add_test(api_events_test api_events_test.cpp http_client.cpp engine_fixture.cpp LIBRARIES weir_api LABELS api)
