#pragma once
// What the fixtures of servers share: programs, ports, child processes.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace weir::testing {

/// Full path of a program; servers are often in places that are not on a user's PATH. Empty: not installed.
std::string find_program(const std::string& name);

/// A TCP port of 127.0.0.1 that nobody listens on; another process may take it in between.
std::uint16_t free_port();

/// Starts a program (a full path first) with its output appended to a file. It dies with this process.
pid_t spawn(std::vector<std::string> arguments, const std::filesystem::path& output);

/// Sends the signal to a child and waits until it is gone; its status as of waitpid.
int end_process(pid_t process, int signal);

std::string read_file(const std::filesystem::path& path);

}  // namespace weir::testing
