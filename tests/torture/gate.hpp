#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace rollbackd::tests::torture {

// Lets the writers through, or holds them back: a quiet point is a moment at which the gate is
// closed and nobody is inside.
class Gate {
 public:
  // Being inside, as long as the object lives. False: it is all over, and one is not.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_{gate}, inside_{gate.enter()} {}
    ~Pass() {
      if (inside_) {
        gate_.leave();
      }
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return inside_; }

   private:
    Gate& gate_;
    bool inside_;
  };

  // Nobody enters any more. False: not everybody has left within this time.
  bool close(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    closed_ = true;
    return changed_.wait_for(lock, patience, [this] { return inside_ == 0; });
  }
  void open() {
    const std::lock_guard lock{mutex_};
    closed_ = false;
    changed_.notify_all();
  }
  void end() {
    const std::lock_guard lock{mutex_};
    over_ = true;
    changed_.notify_all();
  }

  // What a writer does between its transactions: nothing, for a while. False: it is all over.
  bool pause(std::chrono::microseconds time) {
    std::unique_lock lock{mutex_};
    return !changed_.wait_for(lock, time, [this] { return over_; });
  }
  [[nodiscard]] bool is_over() {
    const std::lock_guard lock{mutex_};
    return over_;
  }

 private:
  bool enter() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !closed_ || over_; });
    inside_ += over_ ? 0 : 1;
    return !over_;
  }
  void leave() {
    const std::lock_guard lock{mutex_};
    --inside_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = true;
  bool over_ = false;
  int inside_ = 0;
};

}  // namespace rollbackd::tests::torture
