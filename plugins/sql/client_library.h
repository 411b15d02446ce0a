#pragma once
// A client library that is loaded when the first flow needs it: flows without that database have not its size in
// memory, nor the time that it takes to load.

#include <dlfcn.h>

#include <string>

#include "weir/errors.h"

namespace weir::db {

class ClientLibrary {
 public:
  ClientLibrary(const char* file, const char* package) : file_(file), handle_(::dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr)
      throw Misconfigured(std::string(file) + " cannot be loaded: install the package " + package + " (" + ::dlerror() +
                          ")");
  }
  template <class Function>
  void find(const char* name, Function*& function) const {
    void* address = ::dlsym(handle_, name);
    if (address == nullptr) throw Misconfigured(std::string(file_) + " has no " + name + ": it is too old");
    function = reinterpret_cast<Function*>(address);
  }

 private:
  const char* file_;
  void* handle_;  ///< stays loaded: other objects point into it
};

}  // namespace weir::db
