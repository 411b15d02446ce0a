# weir_add_plugin(name sources... [LIBRARIES libs...])
#
# Builds the plugin `name` as a shared library that Weir can load: only its entry point is visible, and it is
# never unloaded. The names of its types are written beside it (name.types), so that Weir loads it only for flows that
# use one of them. Used by the plugins in this tree and, through find_package(Weir), by anyone's.
function(weir_add_plugin name)
  cmake_parse_arguments(PLUGIN "" "" "LIBRARIES" ${ARGN})
  add_library(${name} MODULE ${PLUGIN_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES
    PREFIX "" CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  target_link_options(${name} PRIVATE -Wl,-z,nodelete)
  target_link_libraries(${name} PRIVATE Weir::sdk ${PLUGIN_LIBRARIES})
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM COMMAND
    sh -c "\"$1\" \"$2\" >\"$3\" || { rm -f \"$3\"; exit 1; }" sh
    $<TARGET_FILE:Weir::plugin_types> $<TARGET_FILE:${name}> ${CMAKE_BINARY_DIR}/plugins/${name}.types)
  if(TARGET weir_options)
    target_link_libraries(${name} PRIVATE weir_options)
    set_property(GLOBAL APPEND PROPERTY WEIR_PLUGINS ${name})
  endif()
endfunction()
