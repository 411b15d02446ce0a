// To be preloaded: a resolver that does not answer for names under hangs.example, as one whose DNS servers are away.
#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

#include <string_view>

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* name, const char* service,
                                                                  const addrinfo* hints, addrinfo** result) {
  while (name != nullptr && std::string_view(name).ends_with(".hangs.example")) ::pause();
  static const auto system = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return system(name, service, hints, result);
}
