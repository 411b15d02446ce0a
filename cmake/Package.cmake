# `make package`: a Debian package of the runtime, with a systemd unit. Its dependencies are those that the files show.
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
install(FILES ${debian}/weir.service DESTINATION lib/systemd/system COMPONENT package)
install(FILES ${debian}/weir.env DESTINATION /etc/weir COMPONENT package)
install(FILES README.md DESTINATION share/doc/weir COMPONENT package)
install(FILES LICENSE DESTINATION share/doc/weir RENAME copyright COMPONENT package)
install(DIRECTORY flows examples DESTINATION share/doc/weir COMPONENT package)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME weir)
set(CPACK_PACKAGE_CONTACT "The Weir developers <weir@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime package)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libpq5, libmariadb3")  # loaded when a flow names such a database
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "dataflow runtime with durable queues and complete lineage")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Processors from plugins are wired into a graph by YAML flow files. Queues are
 durable and back-pressured, what happened to every piece of data is recorded,
 and a status page shows it.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${debian}/postinst;${debian}/prerm;${debian}/postrm;${debian}/conffiles")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
