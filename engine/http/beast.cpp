// Beast's own functions, compiled once (BOOST_BEAST_SEPARATE_COMPILATION in CMakeLists.txt).
#include "engine/asio.hpp"
#include <boost/beast/src.hpp>
