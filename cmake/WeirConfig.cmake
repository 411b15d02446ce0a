# find_package(Weir): the target Weir::sdk (headers only), weir_add_plugin(name sources… [LIBRARIES libs…]), and
# Weir::testkit and Weir::conformance, which a plugin's tests link.
include(${CMAKE_CURRENT_LIST_DIR}/WeirTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/WeirPlugin.cmake)
