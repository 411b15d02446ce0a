// Finds and loads weir-tls.so.
#include <dlfcn.h>

#include <boost/dll/runtime_symbol_info.hpp>
#include <filesystem>
#include <stdexcept>

#include "tls/tls.h"

namespace weir::tls {

namespace {

const Library* load() {
  const std::filesystem::path beside = boost::dll::program_location().parent_path().string();
  auto path = beside / "lib" / "weir" / "weir-tls.so";
  if (std::error_code error; !std::filesystem::exists(path, error))
    path = beside.parent_path() / "lib" / "weir" / "weir-tls.so";
  const auto why = [] {
    const char* error = ::dlerror();
    return std::string(error != nullptr ? error : "unknown");
  };
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) throw std::runtime_error("TLS needs weir-tls.so, which cannot be loaded: " + why());
  const auto entry = reinterpret_cast<Entry>(::dlsym(handle, kEntry));
  if (entry == nullptr) throw std::runtime_error(path.string() + " is not Weir's: " + why());
  return entry();
}

}  // namespace

const Library& library() {
  static const Library* const loaded = load();
  return *loaded;
}

}  // namespace weir::tls
