// Real servers for tests in other languages: serve NAME... starts them, prints a line "NAME WHERE" for each, then one
// that says "ready", and stops them when its standard input ends. A line "kill NAME" there kills that server (SIGKILL),
// "start NAME" starts it again with what it had; each is answered by the same line when it is done. Kafka takes further
// lines of its server.properties: serve kafka,NAME=VALUE,NAME=VALUE.
//
// They listen on 127.0.0.1, or where WEIR_SERVER_ADDRESS says.
//
// Where one cannot be had it prints a line "SKIPPED: ..." and exits with 3.

#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
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
  std::string where;
  std::function<void()> kill;
  std::function<void()> start;
};
using Arguments = std::vector<std::string>;

template <class T>
Server serving(const std::shared_ptr<T>& server, std::string where) {
  return {std::move(where), [server] { server->kill(); }, [server] { server->start(); }};
}

template <class T, class Where>
std::function<Server(const Arguments&)> starts(Where where) {
  return [where](const Arguments&) -> Server {
    if (!T::available()) return {};
    const auto server = std::make_shared<T>();
    return serving(server, where(*server));
  };
}

Server start_kafka(const Arguments& properties) {
  if (!KafkaBroker::available()) return {};
  // Topics are made when they are first named: a flow does not make them.
  Arguments all = {"auto.create.topics.enable=true", "num.partitions=3"};
  all.insert(all.end(), properties.begin(), properties.end());
  const auto server = std::make_shared<KafkaBroker>(std::move(all));
  return serving(server, server->brokers());
}

Arguments words(const std::string& text, char between) {
  Arguments all;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, between);) all.push_back(word);
  return all;
}

/// Until there are no more commands. False: one was not understood.
bool obey(std::map<std::string, Server>& servers) {
  for (std::string line; std::getline(std::cin, line);) {
    const auto command = words(line, ' ');
    const auto server = command.size() == 2 ? servers.find(command[1]) : servers.end();
    if (server == servers.end() || (command[0] != "kill" && command[0] != "start")) {
      std::cerr << "serve: what is '" << line << "'?\n";
      return false;
    }
    command[0] == "kill" ? server->second.kill() : server->second.start();
    std::cout << line << std::endl;
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const std::map<std::string, std::function<Server(const Arguments&)>> kinds = {
      {"kafka", start_kafka},
      {"mariadb", starts<MariadbServer>([](const auto& s) { return s.url(); })},
      {"mosquitto", starts<Mosquitto>([](const auto& s) { return s.url(); })},
      {"postgresql", starts<PostgresqlServer>([](const auto& s) { return s.url(); })},
      {"s3", starts<Versitygw>([](const auto& s) {
         return s.url() + ' ' + s.bucket() + ' ' + s.access_key() + ' ' + s.secret_key() + ' ' +
                (s.folder() / "buckets" / s.bucket()).string();
       })},
  };
  try {
    std::map<std::string, Server> servers;
    for (int i = 1; i < count; ++i) {
      auto properties = words(arguments[i], ',');
      const auto name = properties.front();
      properties.erase(properties.begin());
      const auto kind = kinds.find(name);
      if (kind == kinds.end()) {
        std::cerr << "serve: there is no server called " << name << '\n';
        return 2;
      }
      auto& server = servers[name] = kind->second(properties);
      if (!server.kill) return kSkipped;
      std::cout << name << ' ' << server.where << std::endl;
    }
    std::cout << "ready" << std::endl;
    return obey(servers) ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "serve: " << error.what() << '\n';
    return 1;
  }
}
