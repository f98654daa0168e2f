// Whole updates of the agents on a CPU: the twin of what `vgf/agents/*.py` does with autograd.
//
// One call does k updates of S seeds. Names above functions are those of the eager twin; `tests/agents/test_fused.py`
// holds each equal to it, in float64 to rounding. Types: F holds numbers and sums, C multiplies where nothing learns, L
// where something does. First layers, last layers, values, targets and the flow are in F whatever C and L are.

#include <ATen/Parallel.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include "rivals.h"

namespace vgf {

// `VGF._draw`: from the bank, or anew.
template <class F, class C, class L>
void Worker<F, C, L>::draw(F* x, Int b, Int n, Int N) {
  if (!job.bank) {
    std::copy_n(noise(0, B * N * d) + b * N * d, n * N * d, x);
    return integrate(x, b, n, N);
  }
  const Int K = job.bank_size, *begin = job.start + (u * job.seeds + s) * B;
  const auto* bank = static_cast<const at::Half*>(job.bank) + s * job.rows * K * d;
  for (Int i = 0; i < n; ++i)
    for (Int j = 0; j < N; ++j)
      for (Int c = 0; c < d; ++c)
        x[(i * N + j) * d + c] = float(bank[(rows()[b + i] * K + (begin[b + i] + j) % K) * d + c]);
}

// `Core.scorer`: the gradient in a, or what is fitted to it.
template <class F, class C, class L>
void Worker<F, C, L>::look_up(const F* x, Int b, Int n, Int N, F* to) {
  if (net(FIT).depth) {
    blocks(fit, x, b, n, N, F(0), [](Int, Int) {});
    std::copy_n(fit.out.data.get(), n * N * d, to);
    return;
  }
  for (auto& unit : critic)
    blocks(unit, x, b, n, N, F(0), [&](Int at, Int m) { unit.gradient(m, unit.to_rest + at * d); });
  for (Int i = 0; i < n * N; ++i)
    for (Int c = i * d; c < (i + 1) * d; ++c) {
      to[c] = 0;
      if (on(FLOW_MIN)) to[c] = critic[least(critic, i)].to_rest[c];
      else for (auto& unit : critic) to[c] += unit.to_rest[c] / critic.size();
    }
}

// `step_unit.Direction`: vectors [n, N, d] over the sizes they had at the flow's first step.
template <class F, class C, class L>
void Worker<F, C, L>::rescale(F* vectors, F* sizes, Int n, Int N, bool measure) {
  const Int each = N * d;
  for (Int i = 0; i < n; ++i) {
    F sum = 0;
    if (measure) {
      for (Int c = i * each; c < (i + 1) * each; ++c) sum += vectors[c] * vectors[c];
      sizes[i] = std::max(std::sqrt(sum / N), std::numeric_limits<F>::min());
    }
    for (Int c = i * each; c < (i + 1) * each; ++c) vectors[c] /= sizes[i];
  }
}

// `transport` of particles x [n, N, d], or `transport_in_sigma`; settings: step size, temperature, the kernel's width
// (0: the median's).
template <class F, class C, class L>
void Worker<F, C, L>::transport(F* x, Int b, Int n, Int N) {
  const Int size = n * N * d;
  const F unit = job.sigma ? F(job.sigma[s]) : F(1), push = on(REPULSION) ? unit : F(0);
  const F rate = !job.sigma ? set(2) : on(ADAM_FLOW) ? set(2) * unit / std::sqrt(F(d)) : set(2) * unit;
  std::fill_n(first.fit(size), size, F(0)), std::fill_n(second.fit(size), size, F(0)), score.fit(size), phi.fit(size);
  for (Int t = 1; t <= job.train_steps; ++t) {
    look_up(x, b, n, N, score);
    if (job.sigma) rescale(score, slopes.fit(n), n, N, t == 1);
    for (Int i = 0; i < n; ++i)
      stein_direction(x + i * N * d, score + i * N * d, N, d, set(3), set(4), push, room, phi + i * N * d);
    if (job.sigma) rescale(phi, lengths.fit(n), n, N, t == 1);
    const F c1 = 1 - std::pow(BETA1, t), c2 = 1 - std::pow(BETA2, t);
    for (Int i = 0; i < size; ++i) {
      if (on(ADAM_FLOW)) {
        first[i] = F(BETA1) * first[i] - F(1 - BETA1) * phi[i];
        second[i] = F(BETA2) * second[i] + F(1 - BETA2) * phi[i] * phi[i];
        x[i] -= rate * (first[i] / c1) / (std::sqrt(second[i] / c2) + F(ADAM_EPS));
      } else x[i] += rate * phi[i];
      x[i] = clip(x[i]);
    }
  }
}

template <class F, class C, class L>
double Worker<F, C, L>::spread(const F* x, Int n, Int N, Int d) {
  double sum = 0;
  for (Int i = 0; i < n; ++i) for (Int c = 0; c < d; ++c) {
    double mean = 0;
    for (Int j = 0; j < N; ++j) mean += x[(i * N + j) * d + c] / N;
    for (Int j = 0; j < N; ++j) sum += (x[(i * N + j) * d + c] - mean) * (x[(i * N + j) * d + c] - mean);
  }
  return sum;
}

// `VGF.td_target`.
template <class F, class C, class L>
void Worker<F, C, L>::td_target() {
  const Int N = job.particles;
  const bool min = on(TARGET_MIN);
  if (!job.bank) prepare(reference, REFERENCE, 0, s2, B, false);
  if (net(FIT).depth) prepare(fit, FIT, 0, s2, B, false);
  for (size_t e = 0; e < critic.size(); ++e) {
    if (!net(FIT).depth && job.train_steps) prepare(critic[e], CRITIC, e, s2, B, true);
    prepare(target[e], TARGET, e, s2, B, false);
  }
  double moved = 0, before = 0, after = 0, mean = 0;
  for (Int b = 0; b < B; b += STATES) {
    const Int n = std::min(STATES, B - b), size = n * N * d;
    F *x = x2.fit(size), *from = start.fit(size);
    draw(x, b, n, N);
    std::copy_n(x, size, from);
    transport(x, b, n, N);
    for (auto& unit : target) blocks(unit, x, b, n, N, F(0), [](Int, Int) {});
    for (Int i = 0; i < n; ++i) {
      F sum = 0, best = 0;
      for (Int j = i * N; j < (i + 1) * N; ++j) {
        const F v = aggregate(target, j, min);
        best = j == i * N || v > best || std::isnan(v) ? v : best, sum += v;
      }
      y[b + i] = bootstrap(b + i, on(TARGET_MAX) ? best : sum / N), mean += y[b + i];
    }
    for (Int i = 0; i < n * N; ++i) {
      double sum = 0;
      for (Int c = i * d; c < (i + 1) * d; ++c) sum += (x[c] - from[c]) * (x[c] - from[c]);
      moved += std::sqrt(sum);
    }
    before += spread(from, n, N, d), after += spread(x, n, N, d);
  }
  metric(2, mean, B), metric(3, moved, B * N), metric(4, before, B * N), metric(5, after, B * N);
}

template <class F, class C, class L>
void Worker<F, C, L>::vgf() {
  if (on(TRAIN_CRITIC)) {
    td_target();
    follow(TARGET, CRITIC, set(1));
    train_critic(1, net(FIT).depth ? goal.fit(B * d) : nullptr);
    if (net(FIT).depth) fit_gradient();
  }
  if (on(CLONE)) clone(1);
}

// `VGF._update_gradient`.
template <class F, class C, class L>
void Worker<F, C, L>::fit_gradient() {
  F* e = err.fit(B * d);
  const F* f = look(FIT, 0, sa, o);
  double loss = 0;
  for (Int b = 0; b < B; ++b) {
    F norm = 0;
    for (Int c = b * d; c < (b + 1) * d; ++c) norm += goal[c] * goal[c];
    for (Int c = b * d; c < (b + 1) * d; ++c) {
      e[c] = f[c] - (on(UNIT_GRADIENT) ? goal[c] / (std::sqrt(norm) + F(1e-8)) : goal[c]);
      loss += e[c] * e[c], e[c] *= F(2) / (B * d);
    }
  }
  descend(FIT, 0, sa, e, nullptr);
  metric(6, loss, B * d);
}

// K reference actions for states [B, o] that begin at row `first_update` of the bank.
template <class F, class C, class L>
void Worker<F, C, L>::fill_bank() {
  const Int K = job.bank_size;
  prepare(reference, REFERENCE, 0, static_cast<const F*>(job.next_observations), B, false);
  auto* bank = static_cast<at::Half*>(job.bank) + (s * job.rows + job.first_update) * K * d;
  for (Int b = 0; b < B; b += STATES) {
    const Int n = std::min(STATES, B - b), size = n * K * d;
    F* x = x2.fit(size);
    std::copy_n(noise(0, B * K * d) + b * K * d, size, x);
    integrate(x, b, n, K);
    for (Int i = 0; i < size; ++i) bank[b * K * d + i] = at::Half(float(x[i]));
  }
}

template <class F, class C, class L>
void Worker<F, C, L>::run() {
  for (u = 0; u < job.updates; ++u) {
    if (job.method == BANK) { fill_bank(); continue; }
    load();
    switch (job.method) {
      case VGF: vgf(); break;
      case FQL: fql(); break;
      case IMPLICIT: implicit(); break;
      case TD3: td3(); break;
      default: diffusion_ql();
    }
  }
}

}  // namespace vgf

namespace {

using namespace vgf;

// Seeds share nothing, so each takes a thread where torch may use several.
template <class F, class C, class L> void run(Job& job) {
  std::exception_ptr fault;
  std::mutex guard;
  std::atomic<Int> next{0};
  Int steps[8];
  auto serve = [&] {
    try {
      for (Int s; (s = next++) < job.seeds;) {
        Worker<F, C, L> worker(job, s);
        worker.run();
        if (s == 0) std::copy_n(worker.steps, 8, steps);
      }
    } catch (...) {
      std::lock_guard<std::mutex> lock(guard);
      fault = std::current_exception();
    }
    at::native::cpublas::brgemm_release(true);
  };
  std::vector<std::thread> others;
  try {
    for (Int i = 1; i < std::min<Int>(job.seeds, at::get_num_threads()); ++i) others.emplace_back(serve);
  } catch (const std::system_error&) {}  // no more threads: those there are serve all seeds
  serve();
  for (auto& other : others) other.join();
  if (fault) std::rethrow_exception(fault);
  for (Int i = 0; i < 8; ++i) job.networks[i].steps = steps[i];
  job.done = 1;
}

template <class Call> const char* told(Call call) {
  static thread_local std::string fault;
  try {
    call();
    return nullptr;
  } catch (const std::exception& error) {
    fault = error.what();
    return fault.c_str();
  }
}

}  // namespace

// Do k updates of every seed; null, or what went wrong.
extern "C" const char* vgf_run(Job* job) {
  return told([&] {
    switch (job->precision) {
      case 0: return run<double, double, double>(*job);
      case 1: return run<float, float, float>(*job);
      case 2: return run<float, Low, float>(*job);
      default: return run<float, Low, Low>(*job);
    }
  });
}

// Try a product in a precision, which the library refuses where the processor has none.
extern "C" const char* vgf_check(int precision) {
  return told([&] {
    alignas(64) static const float ones[32 * 32] = {};
    alignas(64) float sums[32 * 32];
    product(32, 32, 32, ones, 32, ones, sums, 32);
    const auto* low = reinterpret_cast<const Low*>(ones);
    if (precision > 1) product(32, 32, 32, low, 32, low, sums, 32);
    at::native::cpublas::brgemm_release(true);
  });
}
