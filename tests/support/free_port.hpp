#pragma once

namespace rollbackd::tests {

// A port of 127.0.0.1 that nobody has at this moment.
int free_port();

}  // namespace rollbackd::tests
