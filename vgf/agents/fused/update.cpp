// Whole updates of the agents on a CPU: the twin of what `vgf/agents/*.py` does with autograd.
//
// One call does k updates of S seeds. Names above functions are those of the eager twin; `tests/agents/test_fused.py`
// holds each equal to it, in float64 to rounding. Types: F holds numbers and sums, C multiplies where nothing learns, L
// where something does. First layers, last layers, values, targets and the flow are in F whatever C and L are.

#include <ATen/Parallel.h>

#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include "flow.h"

// What Python hands over: `Job` of job.py, field by field.
extern "C" struct Job {
  Int method, precision, updates, seeds, batch, observation, action, rows;
  Mlp networks[8];                 // by `Role`; IQL's log_std is the one parameter of STD
  const void *observations, *actions, *rewards, *masks, *next_observations;  // columns of the dataset, [T, ...]
  const Int* index;                // [k, S, B], rows of each update's batch
  const void* noise[4];            // [k, S, ...]; which, says each method
  void* bank;                      // float16 [S, T, K, d], or null
  const Int* start;                // [k, S, B]: where in its bank a state's particles begin
  Int bank_size, particles, flow_steps, train_steps, flags, delay, first_update;
  double setting[8];               // numbers of the method
  void* metrics;                   // [k, S, 8], by position
  const double* sigma;             // [S]: the unit of flow steps, or null where they are in action units
  Int done;                        // set once all updates are written
};

enum Method { VGF, FQL, IMPLICIT, TD3, BANK };
enum Role { CRITIC, TARGET, REFERENCE, ACTOR, FIT, VALUE, ACTOR_TARGET, STD };
enum Flag {
  TRAIN_CRITIC = 1, CLONE = 2, ADAM_FLOW = 4, REPULSION = 8, FLOW_MIN = 16, TARGET_MIN = 32, TARGET_MAX = 64,
  UNIT_GRADIENT = 128, NORMALISE_Q = 256, SQUASH = 512, WEIGHTED = 1024, FIRST_CRITIC = 2048, MEAN_SQUARE = 4096
};

namespace {

using namespace vgf;
constexpr Int METRICS = 8, STATES = 32;  // metrics of an update; states whose particles move together

// All methods, one seed at a time.
template <class F, class C, class L> struct Worker {
  Job& job;
  const Int s, B = job.batch, o = job.observation, d = job.action;
  Int u = 0, steps[8];
  template <class T> struct Unit {  // a network with its weights packed, and the rows that go through it
    Packed<T, F> net;
    Pass<T, F> pass;
    Array<F> out, base, to_rest;
    F* run(const F* x, Int m) {
      pass.fit(net, m);
      product(m, net.w[0], net.in, x, net.in, net.first, pass.h[0]);
      forward(net, pass, m, out.fit(m * net.out));
      return out;
    }
    void gradient(Int m, F* to) {  // of the value in the action, for the m rows that went through
      backward<T, F>(net, pass, m, nullptr, nullptr, nullptr, to, nullptr);
    }
  };
  std::vector<Unit<C>> critic, target;
  Unit<C> reference, fit, actor, value;
  Unit<L> learner;
  Gradients<F> grad;
  Array<F> sa, s_, s2, x2, a2, r, mask, y, q, goal, err, factor, path, sz, score, first, second, phi, start, room, part;
  Array<F> slopes, lengths;

  Worker(Job& j, Int seed) : job(j), s(seed) {
    for (Int i = 0; i < 8; ++i) steps[i] = job.networks[i].steps;
    critic.resize(net(CRITIC).members), target.resize(net(CRITIC).members);
  }
  Mlp& net(Role role) { return job.networks[role]; }
  bool on(Int flag) const { return job.flags & flag; }
  F set(int i) const { return F(job.setting[i]); }
  const F* noise(int i, Int each) const { return static_cast<const F*>(job.noise[i]) + (u * job.seeds + s) * each; }
  void metric(int i, double sum, double count) {
    static_cast<F*>(job.metrics)[(u * job.seeds + s) * METRICS + i] = sum / count;
  }
  const Int* rows() const { return job.index + (u * job.seeds + s) * B; }

  void gather(const void* column, Int width, F* to, Int ld, Int below = 0) {  // `Transitions.rows`
    const F* from = static_cast<const F*>(column);
    for (Int b = 0; b < B; ++b)
      std::copy_n(from + std::min(rows()[b] + below, job.rows - 1) * width, width, to + b * ld);
  }
  F* join(Array<F>& to, const F* states, const F* others, Int k) {  // `vgf.networks.join`
    F* x = to.fit(B * (o + k));
    for (Int b = 0; b < B; ++b) {
      std::copy_n(states + b * o, o, x + b * (o + k));
      std::copy_n(others + b * k, k, x + b * (o + k) + o);
    }
    return x;
  }
  void load() {
    gather(job.observations, o, s_.fit(B * o), o), gather(job.actions, d, a2.fit(B * d), d), join(sa, s_, a2, d);
    gather(job.next_observations, o, s2.fit(B * o), o);
    gather(job.rewards, 1, r.fit(B), 1), gather(job.masks, 1, mask.fit(B), 1), y.fit(B);
  }
  F clip(F x) const { return x < -1 ? F(-1) : x > 1 ? F(1) : x; }
  F bootstrap(Int b, F value) const { return r[b] + set(0) * mask[b] * value; }

  void follow(Role to, Role from, F rate) {  // `heads.follow`
    const Mlp &a = net(to), &c = net(from);
    for (Int i = 0; i < count(c); ++i) {
      const Int n = length(c, i) * c.members;
      F *t = static_cast<F*>(a.parameters[i]) + s * n, *w = static_cast<F*>(c.parameters[i]) + s * n;
      for (Int j = 0; j < n; ++j)
        t[j] = rate < F(0.5) ? t[j] + rate * (w[j] - t[j]) : w[j] - (w[j] - t[j]) * (1 - rate);
    }
  }
  static Int count(const Mlp& m) { return 2 * m.depth + (m.norm ? 2 * (m.depth - 1) : 0); }
  static Int length(const Mlp& m, Int i) {  // of one member's parameter
    const Int kind = i < 2 * m.depth ? i / m.depth : 2, l = kind < 2 ? i % m.depth : (i - 2 * m.depth) % (m.depth - 1);
    return kind == 0 ? m.widths[l] * m.widths[l + 1] : m.widths[l + 1];
  }
  F* look(Role role, Int member, const F* x, Int state) {  // a network that is to learn, at rows x
    learner.net.pack(net(role), s, member, state, true);
    return learner.run(x, B);
  }
  void descend(Role role, Int member, const F* x, const F* dd, const F* by, F* to_rest = nullptr) {  // `Agent._descend`
    Mlp& m = net(role);
    grad.fit(m);
    backward(learner.net, learner.pass, B, dd, by, x, to_rest, &grad);
    steps[role] += member == 0;
    for (Int i = 0; i < count(m); ++i) {
      const Int n = length(m, i), at = (s * m.members + member) * n;
      adam(static_cast<F*>(m.parameters[i]) + at, static_cast<F*>(m.mean[i]) + at, static_cast<F*>(m.square[i]) + at,
           static_cast<F*>(grad.of[i]), n, m.learning_rate, steps[role]);
    }
  }
  // Values of rows [s, a] under an ensemble: [E][B] in each unit's `out`; with `back` the gradient in a in `to_rest`.
  void values(std::vector<Unit<C>>& units, Role role, const F* x, bool back) {
    for (size_t e = 0; e < units.size(); ++e) {
      units[e].net.pack(net(role), s, e, o, back), units[e].run(x, B);
      if (back) units[e].gradient(B, units[e].to_rest.fit(B * d));
    }
  }
  size_t least(const std::vector<Unit<C>>& units, Int b) const {
    size_t at = 0;
    for (size_t e = 1; e < units.size(); ++e)
      if (units[e].out[b] < units[at].out[b] || std::isnan(units[e].out[b])) at = e;  // a NaN is not hidden
    return at;
  }
  F aggregate(const std::vector<Unit<C>>& units, Int b, bool min) const {
    if (min) return units[least(units, b)].out[b];
    F sum = 0;
    for (auto& unit : units) sum += unit.out[b];
    return sum / units.size();
  }
  // The critics' step on the targets y; `weight`: of one critic in the loss; `toward`: for their mean gradient in a.
  void train_critic(F weight, F* toward = nullptr) {
    const Int E = net(CRITIC).members;
    double loss = 0, mean = 0;
    if (toward) std::fill_n(toward, B * d, F(0));
    for (Int e = 0; e < E; ++e) {
      const F* v = look(CRITIC, e, sa, o);
      F* by = factor.fit(B);
      for (Int b = 0; b < B; ++b) {
        const F gap = v[b] - y[b];
        loss += gap * gap, mean += v[b], by[b] = 2 * weight * gap / B;
      }
      descend(CRITIC, e, sa, nullptr, by, toward ? part.fit(B * d) : nullptr);
      if (toward) for (Int i = 0; i < B * d; ++i) toward[i] += part[i] / E;
    }
    metric(0, loss * weight, B), metric(1, mean, B * E);
  }
  void clone(int at) {  // `Agent._clone`, one step of flow matching; noise[at] [B, d] and time, noise[at + 1] [B]
    const F *z = noise(at, B * d), *t = noise(at + 1, B), *a = a2;
    F *x = path.fit(B * (o + d + 1)), *e = err.fit(B * d);
    const Int in = o + d + 1;
    double loss = 0;
    for (Int b = 0; b < B; ++b) {
      std::copy_n(s_ + b * o, o, x + b * in), x[b * in + o + d] = t[b];
      for (Int c = b * d; c < (b + 1) * d; ++c) x[b * in + o + c - b * d] = z[c] + t[b] * (a[c] - z[c]);
    }
    const F* v = look(REFERENCE, 0, x, o);
    for (Int i = 0; i < B * d; ++i) e[i] = v[i] - (a[i] - z[i]), loss += e[i] * e[i], e[i] *= F(2) / (B * d);
    descend(REFERENCE, 0, x, e, nullptr);
    metric(7, loss, B * d);
  }

  // Particles x [n, N, d] of states from b on: blocks of rows through a network whose share of the states is `base`.
  template <class Then> void blocks(Unit<C>& unit, const F* x, Int b, Int n, Int N, F time, Then then) {
    auto& [net, pass, out, base, to_rest] = unit;
    const Int w = net.w[0], most = 32;
    pass.fit(net, most), out.fit(n * N * net.out), to_rest.fit(n * N * d);
    for (Int at = 0; at < n * N; at += most) {
      const Int m = std::min(most, n * N - at);
      for (Int i = 0; i < m; ++i) {
        F *h = pass.h[0] + i * w, *own = base + (b + (at + i) / N) * w, *row = net.first + (o + d) * w;
        if (net.rest > d) for (Int j = 0; j < w; ++j) h[j] = own[j] + time * row[j];
        else std::copy_n(own, w, h);
      }
      product(m, w, d, x + at * d, d, net.first + o * w, pass.h[0], true);
      forward(net, pass, m, out + at * net.out);
      then(at, m);
    }
  }
  void prepare(Unit<C>& unit, Role role, Int member, const F* states, Int m, bool back) {
    unit.net.pack(net(role), s, member, o, back);
    product(m, unit.net.w[0], o, states, o, unit.net.first, unit.base.fit(m * unit.net.w[0]));
  }
  void integrate(F* x, Int b, Int n, Int N) {  // `FlowReference.sample`, in place of the noise
    for (Int t = 0; t < job.flow_steps; ++t) {
      blocks(reference, x, b, n, N, F(t) / job.flow_steps, [](Int, Int) {});
      for (Int i = 0; i < n * N * d; ++i) x[i] += reference.out[i] / job.flow_steps;
    }
    for (Int i = 0; i < n * N * d; ++i) x[i] = clip(x[i]);
  }
  void draw(F* x, Int b, Int n, Int N) {  // `VGF._draw`: from the bank, or anew
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
  void look_up(const F* x, Int b, Int n, Int N, F* to) {  // `Core.scorer`: the gradient in a, or what is fitted to it
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
  void rescale(F* vectors, F* sizes, Int n, Int N, bool measure) {
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
  void transport(F* x, Int b, Int n, Int N) {
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
  static double spread(const F* x, Int n, Int N, Int d) {
    double sum = 0;
    for (Int i = 0; i < n; ++i) for (Int c = 0; c < d; ++c) {
      double mean = 0;
      for (Int j = 0; j < N; ++j) mean += x[(i * N + j) * d + c] / N;
      for (Int j = 0; j < N; ++j) sum += (x[(i * N + j) * d + c] - mean) * (x[(i * N + j) * d + c] - mean);
    }
    return sum;
  }
  void td_target() {  // `VGF.td_target`
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
  void vgf() {
    if (on(TRAIN_CRITIC)) {
      td_target();
      follow(TARGET, CRITIC, set(1));
      train_critic(1, net(FIT).depth ? goal.fit(B * d) : nullptr);
      if (net(FIT).depth) fit_gradient();
    }
    if (on(CLONE)) clone(1);
  }
  void fit_gradient() {  // `VGF._update_gradient`
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
  void fql() {  // noise: the target's [B, d], the policy's [B, d], cloning's; settings: alpha
    actor.net.pack(net(ACTOR), s, 0, o, false);
    F* next = actor.run(join(x2, s2, noise(0, B * d), d), B);
    for (Int i = 0; i < B * d; ++i) next[i] = clip(next[i]);
    values(target, TARGET, join(x2, s2, next, d), false);
    double mean = 0, distance = 0, pull = 0, size = 0;
    for (Int b = 0; b < B; ++b) mean += y[b] = bootstrap(b, aggregate(target, b, on(TARGET_MIN)));
    follow(TARGET, CRITIC, set(1));
    prepare(reference, REFERENCE, 0, s_, B, false);
    F* flowed = part.fit(B * d);
    std::copy_n(noise(1, B * d), B * d, flowed);
    integrate(flowed, 0, B, 1);
    const F *in = join(sz, s_, noise(1, B * d), d), *a = look(ACTOR, 0, in, o);
    F *e = err.fit(B * d), *boxed = goal.fit(B * d);
    for (Int i = 0; i < B * d; ++i) boxed[i] = clip(a[i]);
    values(critic, CRITIC, join(x2, s_, boxed, d), true);
    for (Int b = 0; b < B; ++b) pull -= aggregate(critic, b, false), size += std::abs(aggregate(critic, b, false));
    const F scale = on(NORMALISE_Q) ? size / B : 1, E = critic.size();
    for (Int i = 0; i < B * d; ++i) {
      F along = 0;
      for (auto& unit : critic) along += unit.to_rest[i] / E;
      distance += (a[i] - flowed[i]) * (a[i] - flowed[i]);
      e[i] = 2 * set(2) * (a[i] - flowed[i]) / (B * d) - (std::abs(a[i]) <= 1 ? along / (B * scale) : F(0));
    }
    descend(ACTOR, 0, in, e, nullptr);
    metric(2, mean, B), metric(3, distance, B * d), metric(4, pull / scale, B);
    train_critic(F(1) / E);
    clone(2);
  }
  void implicit() {  // IQL, and IDQL with a flow; settings: expectile, beta, largest weight, rate of the average
    values(target, TARGET, sa, false);
    const F *v = look(VALUE, 0, s_, o), B_ = B;
    F *by = factor.fit(B), *q_ = q.fit(B);
    double loss = 0, mean = 0, weight = 0, clipped = 0;
    for (Int b = 0; b < B; ++b) {
      q_[b] = aggregate(target, b, true);
      const F gap = q_[b] - v[b], w = gap < 0 ? 1 - set(2) : set(2);
      loss += w * gap * gap, mean += v[b], by[b] = -2 * w * gap / B_;
    }
    metric(2, loss, B), metric(3, mean, B);
    descend(VALUE, 0, s_, nullptr, by);
    value.net.pack(net(VALUE), s, 0, o, false);
    const F* next = value.run(s2, B);
    for (Int b = 0; b < B; ++b) y[b] = bootstrap(b, next[b]);
    train_critic(1);
    if (on(CLONE)) clone(0), follow(ACTOR_TARGET, REFERENCE, set(5));
    if (on(WEIGHTED)) {
      const F *now = value.run(s_, B), *a = look(ACTOR, 0, s_, o);
      F *e = err.fit(B * d), *log_std = static_cast<F*>(net(STD).parameters[0]) + s * d, *g = part.fit(d);
      std::fill_n(g, d, F(0)), loss = 0;
      for (Int b = 0; b < B; ++b) {
        const F w = std::min(std::exp(set(3) * (q_[b] - now[b])), set(4));
        weight += w, clipped += w >= set(4);
        for (Int c = 0; c < d; ++c) {
          const F std = std::min(std::max(log_std[c], F(-5)), F(2));
          const F mu = on(SQUASH) ? std::tanh(a[b * d + c]) : a[b * d + c];
          const F z = (a2[b * d + c] - mu) * std::exp(-std);
          loss += w * (z * z / 2 + std + F(std::log(2 * M_PI) / 2));
          e[b * d + c] = -w / B_ * z * std::exp(-std) * (on(SQUASH) ? 1 - mu * mu : F(1));
          if (log_std[c] >= -5 && log_std[c] <= 2) g[c] += w / B_ * (1 - z * z);
        }
      }
      descend(ACTOR, 0, s_, e, nullptr);
      const Mlp& spread = net(STD);
      if (spread.mean) adam(log_std, static_cast<F*>(spread.mean[0]) + s * d, static_cast<F*>(spread.square[0]) + s * d,
                            g, d, spread.learning_rate, ++steps[STD]);
      metric(4, loss, B), metric(5, weight, B), metric(6, clipped, B);
    }
    follow(TARGET, CRITIC, set(1));
  }
  void td3() {  // TD3+BC and ReBRAC; settings: noise, its clip, alpha or beta_1, beta_2
    actor.net.pack(net(ACTOR_TARGET), s, 0, o, false);
    F* a = actor.run(s2, B);
    const F* z = noise(0, B * d);
    for (Int i = 0; i < B * d; ++i) a[i] = clip(std::tanh(a[i]) + std::min(std::max(set(2) * z[i], -set(3)), set(3)));
    values(target, TARGET, join(x2, s2, a, d), false);
    F* seen = part.fit(B * d);
    gather(job.actions, d, seen, d, 1);
    double mean = 0;
    for (Int b = 0; b < B; ++b) {
      F far = 0;
      for (Int c = b * d; c < (b + 1) * d; ++c) far += (a[c] - seen[c]) * (a[c] - seen[c]);
      mean += y[b] = bootstrap(b, aggregate(target, b, true) - (set(5) > 0 ? set(5) * far : F(0)));
    }
    metric(2, mean, B);
    train_critic(1);
    if ((job.first_update + u + 1) % job.delay) return;
    a = look(ACTOR, 0, s_, o);
    F *e = err.fit(B * d), *own = goal.fit(B * d);
    for (Int i = 0; i < B * d; ++i) own[i] = std::tanh(a[i]);
    values(critic, CRITIC, join(x2, s_, own, d), true);
    double size = 0, sum = 0, far = 0, off = 0;
    for (Int b = 0; b < B; ++b) {
      const F v = critic[on(FIRST_CRITIC) ? 0 : least(critic, b)].out[b];
      size += std::abs(v), sum += v;
    }
    const F pull = (on(FIRST_CRITIC) ? set(4) : F(1)) / (size / B);
    const F each = on(MEAN_SQUARE) ? F(1) / (B * d) : set(4) / B;
    for (Int b = 0; b < B; ++b) {
      double square = 0;
      const F* along = critic[on(FIRST_CRITIC) ? 0 : least(critic, b)].to_rest;
      for (Int c = b * d; c < (b + 1) * d; ++c) {
        square += (own[c] - a2[c]) * (own[c] - a2[c]);
        e[c] = (2 * each * (own[c] - a2[c]) - pull / B * along[c]) * (1 - own[c] * own[c]);
      }
      far += square, off += std::sqrt(square);
    }
    descend(ACTOR, 0, s_, e, nullptr);
    follow(TARGET, CRITIC, set(1)), follow(ACTOR_TARGET, ACTOR, set(1));
    metric(3, each * far - pull * sum / B, 1), metric(4, off, B);
  }
  void fill_bank() {  // K reference actions for states [B, o] that begin at row `first_update` of the bank
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
  void run() {
    for (u = 0; u < job.updates; ++u) {
      if (job.method == BANK) { fill_bank(); continue; }
      load();
      job.method == VGF ? vgf() : job.method == FQL ? fql() : job.method == IMPLICIT ? implicit() : td3();
    }
  }
};

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
    product(32, 32, 32, ones, 32, ones, sums);
    const auto* low = reinterpret_cast<const Low*>(ones);
    if (precision > 1) product(32, 32, 32, low, 32, low, sums);
    at::native::cpublas::brgemm_release(true);
  });
}
