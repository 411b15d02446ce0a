# Two components: `runtime` is the command and its plugins, `sdk` is what a plugin outside this tree is built with.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(TARGET weir)
  install(TARGETS weir RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
  install(TARGETS weir-tls LIBRARY DESTINATION lib/weir COMPONENT runtime)
endif()
get_property(plugins GLOBAL PROPERTY WEIR_PLUGINS)
if(plugins)
  install(TARGETS ${plugins} LIBRARY DESTINATION lib/weir/plugins COMPONENT runtime)
  foreach(plugin ${plugins})
    install(FILES ${CMAKE_BINARY_DIR}/plugins/${plugin}.types DESTINATION lib/weir/plugins COMPONENT runtime)
  endforeach()
endif()

# The web UI, if scripts/build-ui has built it.
install(DIRECTORY ${CMAKE_BINARY_DIR}/ui/ DESTINATION share/weir/ui COMPONENT runtime OPTIONAL)

install(DIRECTORY core/include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)
install(TARGETS weir_sdk EXPORT WeirTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS weir_plugin_types EXPORT WeirTargets RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/weir COMPONENT sdk)
install(TARGETS weir_testkit_shared EXPORT WeirTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(TARGETS weir_conformance EXPORT WeirTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT WeirTargets NAMESPACE Weir:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Weir COMPONENT sdk)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/WeirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/WeirConfig.cmake cmake/WeirPlugin.cmake ${CMAKE_BINARY_DIR}/WeirConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Weir COMPONENT sdk)

# The same without installing: -DWeir_DIR=build.
export(EXPORT WeirTargets NAMESPACE Weir:: FILE ${CMAKE_BINARY_DIR}/WeirTargets.cmake)
configure_file(cmake/WeirConfig.cmake ${CMAKE_BINARY_DIR}/WeirConfig.cmake COPYONLY)
configure_file(cmake/WeirPlugin.cmake ${CMAKE_BINARY_DIR}/WeirPlugin.cmake COPYONLY)

# A target for everything a user needs to run flows.
add_custom_target(ready)
if(TARGET weir)
  add_dependencies(ready weir ${plugins})
endif()
