#pragma once
// What the fixtures of real servers share: programs started in temporary folders, that end with the test.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace weir::testing {

/// Full path of a program; servers are often in places that are not on a user's PATH. Empty: not installed.
std::string find_program(const std::string& name, const std::vector<std::string>& further_folders = {});

/// Where servers listen: 127.0.0.1, or the address in WEIR_SERVER_ADDRESS, for a test that has a network of its own.
std::string server_address();

/// A port of that address that nobody listens on. Another process may take it before it is used.
std::uint16_t free_port();
/// Whether somebody accepts connections on that port of it.
bool accepts(std::uint16_t port);

/// Starts a program with its output in a file. It is killed when this process dies. `user`: as whom, if this process
/// may choose (servers refuse to run as root).
pid_t spawn(std::vector<std::string> arguments, const std::filesystem::path& output, const std::string& user = {});

/// Runs a program to its end. Throws std::runtime_error with its output if it fails.
void run(std::vector<std::string> arguments, const std::filesystem::path& folder, const std::string& user = {});

/// A new folder under the system's temporary one; `user` owns it, if this process may choose.
std::filesystem::path temporary_folder(const std::string& prefix, const std::string& user = {});

/// A user to run a server as: empty if this process is not root.
std::string server_user();

std::string read_file(const std::filesystem::path& path);

/// Sends a signal to a child and waits until it is gone; its status as of waitpid.
int end_process(pid_t process, int signal);
/// Sends a signal and waits until the process is gone; SIGKILL if it takes longer than 20 s. Sets it to -1.
void end(pid_t& process, int signal);

}  // namespace weir::testing
