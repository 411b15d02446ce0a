# find_package(Weir): the target Weir::sdk (headers only) and weir_add_plugin(name sources… [LIBRARIES libs…]).
include(${CMAKE_CURRENT_LIST_DIR}/WeirTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/WeirPlugin.cmake)
