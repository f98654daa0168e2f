// What the core is told, and what all its methods share: rows of a batch, losses' gradients, Adam, ensembles, cloning,
// particles in blocks. One worker does the updates of one seed.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "diffusion.h"
#include "flow.h"

// What Python hands over: `Job` of job.py, field by field.
extern "C" struct Job {
  Int method, precision, updates, seeds, batch, observation, action, rows;
  Mlp networks[8];                 // by `Role`; IQL's log_std is the one parameter of STD
  const void *observations, *actions, *rewards, *masks, *next_observations;  // columns of the dataset, [T, ...]
  const Int* index;                // [k, S, B], rows of each update's batch
  const void* noise[5];            // [k, S, ...]; which, says each method
  void* bank;                      // float16 [S, T, K, d], or null
  const Int* start;                // [k, S, B]: where in its bank a state's particles begin
  Int bank_size, particles, flow_steps, train_steps, flags, delay, first_update;
  double setting[8];               // numbers of the method
  void* metrics;                   // [k, S, 8], by position
  const double* sigma;             // [S]: the unit of flow steps, or null where they are in action units
  Int done;                        // set once all updates are written
};

enum Method { VGF, FQL, IMPLICIT, TD3, BANK, DIFFUSION_QL };
enum Role { CRITIC, TARGET, REFERENCE, ACTOR, FIT, VALUE, ACTOR_TARGET, STD };
enum Flag {
  TRAIN_CRITIC = 1, CLONE = 2, ADAM_FLOW = 4, REPULSION = 8, FLOW_MIN = 16, TARGET_MIN = 32, TARGET_MAX = 64,
  UNIT_GRADIENT = 128, NORMALISE_Q = 256, SQUASH = 512, WEIGHTED = 1024, FIRST_CRITIC = 2048, MEAN_SQUARE = 4096,
  DIFFUSION = 8192
};

namespace vgf {

constexpr Int METRICS = 8, STATES = 32;  // metrics of an update; states whose particles move together

// Rows that go through a network of this width together. With panels (AVX2) the weights of wide networks come from the
// last cache for each block, so that blocks are larger there.
template <class C> constexpr Int rows_of_block(Int width) {
  return PANEL<C> < std::numeric_limits<Int>::max() && width >= 512 ? 128 : 32;
}

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
      product(m, net.w[0], net.in, x, net.in, net.first, pass.h[0], net.w[0]);
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
  Gradients<F> grad, sum_of;         // `sum_of`: of a network that rows go through more than once
  std::vector<Gradients<F>> grads;  // of an ensemble that is clipped together
  const Schedule<F> schedule;
  std::vector<Pass<L, F>> chain;    // of each step of a diffusion that is differentiated through
  Array<F> sa, s_, s2, x2, a2, r, mask, y, q, goal, err, factor, path, sz, score, first, second, phi, start, room, part;
  Array<F> slopes, lengths;

  Worker(Job& j, Int seed) : job(j), s(seed), schedule(j.flags & DIFFUSION ? j.flow_steps : 0) {
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
  void take(Role role, Int member, const Gradients<F>& g) {  // Adam's step
    Mlp& m = net(role);
    steps[role] += member == 0;
    for (Int i = 0; i < count(m); ++i) {
      const Int n = length(m, i), at = (s * m.members + member) * n;
      adam(static_cast<F*>(m.parameters[i]) + at, static_cast<F*>(m.mean[i]) + at, static_cast<F*>(m.square[i]) + at,
           static_cast<F*>(g.of[i]), n, m.learning_rate, steps[role]);
    }
  }
  void descend(Role role, Int member, const F* x, const F* dd, const F* by, F* to_rest = nullptr) {  // `Agent._descend`
    grad.fit(net(role));
    backward(learner.net, learner.pass, B, dd, by, x, to_rest, &grad);
    take(role, member, grad);
  }
  void descend_clipped(Role role, Gradients<F>* g, F most) {  // all members' steps, after `heads.clip_gradients`
    const Mlp& m = net(role);
    double square = 0;
    for (Int e = 0; e < m.members; ++e) for (Int i = 0; i < count(m); ++i)
      for (Int j = 0; j < length(m, i); ++j) square += double(g[e].of[i][j]) * g[e].of[i][j];
    const F scale = std::min(F(1), most / (F(std::sqrt(square)) + F(1e-6)));
    for (Int e = 0; e < m.members; ++e) {
      for (Int i = 0; i < count(m); ++i) for (Int j = 0; j < length(m, i); ++j) g[e].of[i][j] *= scale;
      take(role, e, g[e]);
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
  // The critics' step on the targets y; `weight`: of one critic in the loss; `toward`: for their mean gradient in a;
  // `most`: the largest norm of their gradients together, 0 for any.
  void train_critic(F weight, F* toward = nullptr, F most = 0) {
    const Int E = net(CRITIC).members;
    if (most > 0) grads.resize(E);
    double loss = 0, mean = 0;
    if (toward) std::fill_n(toward, B * d, F(0));
    for (Int e = 0; e < E; ++e) {
      const F* v = look(CRITIC, e, sa, o);
      F* by = factor.fit(B);
      for (Int b = 0; b < B; ++b) {
        const F gap = v[b] - y[b];
        loss += gap * gap, mean += v[b], by[b] = 2 * weight * gap / B;
      }
      if (most > 0) {
        grads[e].fit(net(CRITIC));
        backward<L, F>(learner.net, learner.pass, B, nullptr, by, sa, nullptr, &grads[e]);
        continue;
      }
      descend(CRITIC, e, sa, nullptr, by, toward ? part.fit(B * d) : nullptr);
      if (toward) for (Int i = 0; i < B * d; ++i) toward[i] += part[i] / E;
    }
    if (most > 0) descend_clipped(CRITIC, grads.data(), most);
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
  // `others`: what inputs that all rows share add to the first layer, null where there are none.
  template <class Then>
  void blocks(Unit<C>& unit, const F* x, Int b, Int n, Int N, F time, Then then, const F* others = nullptr) {
    auto& [net, pass, out, base, to_rest] = unit;
    const Int w = net.w[0], most = rows_of_block<C>(w);
    pass.fit(net, most), out.fit(n * N * net.out), to_rest.fit(n * N * d);
    for (Int at = 0; at < n * N; at += most) {
      const Int m = std::min(most, n * N - at);
      for (Int i = 0; i < m; ++i) {
        F *h = pass.h[0] + i * w, *own = base + (b + (at + i) / N) * w, *row = net.first + (o + d) * w;
        if (others) for (Int j = 0; j < w; ++j) h[j] = own[j] + others[j];
        else if (net.rest > d) for (Int j = 0; j < w; ++j) h[j] = own[j] + time * row[j];
        else std::copy_n(own, w, h);
      }
      product(m, w, d, x + at * d, d, net.first + o * w, pass.h[0], w, true);
      forward(net, pass, m, out + at * net.out);
      then(at, m);
    }
  }
  void prepare(Unit<C>& unit, Role role, Int member, const F* states, Int m, bool back) {
    unit.net.pack(net(role), s, member, o, back);
    product(m, unit.net.w[0], o, states, o, unit.net.first, unit.base.fit(m * unit.net.w[0]), unit.net.w[0]);
  }
  void integrate(F* x, Int b, Int n, Int N) {  // `FlowReference.sample`, in place of the noise
    for (Int t = 0; t < job.flow_steps; ++t) {
      blocks(reference, x, b, n, N, F(t) / job.flow_steps, [](Int, Int) {});
      for (Int i = 0; i < n * N * d; ++i) x[i] += reference.out[i] / job.flow_steps;
    }
    for (Int i = 0; i < n * N * d; ++i) x[i] = clip(x[i]);
  }

  // Of value gradient flow: update.cpp.
  void draw(F* x, Int b, Int n, Int N);
  void look_up(const F* x, Int b, Int n, Int N, F* to);
  void rescale(F* vectors, F* sizes, Int n, Int N, bool measure);
  void transport(F* x, Int b, Int n, Int N);
  static double spread(const F* x, Int n, Int N, Int d);
  void td_target();
  void vgf();
  void fit_gradient();
  void fill_bank();
  void run();
  // Of the methods it is compared with: rivals.h.
  void fql();
  void implicit();
  void td3();
  double denoise(Role role, int at, F* x);
  void clone_by_diffusion(int at);
  void sample(F* x, Int b, Int n, Int N);
  void diffused_target();
  void diffusion_ql();
};

}  // namespace vgf
