// Real servers for tests in other languages: serve NAME... starts them, prints a line "NAME WHERE" for each, then one
// that says "ready", and stops them when its standard input ends.
//
// Where one cannot be had it prints a line "SKIPPED: ..." and exits with 3.

#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/servers/kafka.h"
#include "tests/servers/mariadb.h"
#include "tests/servers/mosquitto.h"
#include "tests/servers/postgresql.h"
#include "tests/servers/versitygw.h"

namespace {

using namespace weir::testing;

constexpr int kSkipped = 3;

struct Server {
  std::shared_ptr<void> running;
  std::string where;
};

template <class T, class Where>
std::function<Server()> starts(Where where) {
  return [where]() -> Server {
    if (!T::available()) return {};
    auto server = std::make_shared<T>();
    auto text = where(*server);
    return {server, std::move(text)};
  };
}

}  // namespace

int main(int count, char** arguments) {
  const std::map<std::string, std::function<Server()>> kinds = {
      {"kafka",
       []() -> Server {
         if (!KafkaBroker::available()) return {};
         // Topics are made when they are first named: a flow does not make them.
         auto server = std::make_shared<KafkaBroker>(
             std::vector<std::string>{"auto.create.topics.enable=true", "num.partitions=3"});
         return {server, server->brokers()};
       }},
      {"mariadb", starts<MariadbServer>([](const auto& s) { return s.url(); })},
      {"mosquitto", starts<Mosquitto>([](const auto& s) { return s.url(); })},
      {"postgresql", starts<PostgresqlServer>([](const auto& s) { return s.url(); })},
      {"s3", starts<Versitygw>([](const auto& s) {
         return s.url() + ' ' + s.bucket() + ' ' + s.access_key() + ' ' + s.secret_key() + ' ' +
                (s.folder() / "buckets" / s.bucket()).string();
       })},
  };
  try {
    std::vector<Server> servers;
    for (int i = 1; i < count; ++i) {
      const auto kind = kinds.find(arguments[i]);
      if (kind == kinds.end()) {
        std::cerr << "serve: there is no server called " << arguments[i] << '\n';
        return 2;
      }
      servers.push_back(kind->second());
      if (!servers.back().running) return kSkipped;
      std::cout << arguments[i] << ' ' << servers.back().where << std::endl;
    }
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "serve: " << error.what() << '\n';
    return 1;
  }
}
