// Updates of the methods that value gradient flow is compared with; see update.cpp.
#pragma once

#include "worker.h"

namespace vgf {

// Noise: the target's [B, d], the policy's [B, d], cloning's; settings: alpha.
template <class F, class C, class L>
void Worker<F, C, L>::fql() {
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

// IQL and IDQL; settings: expectile, beta, largest weight, rate of the average.
template <class F, class C, class L>
void Worker<F, C, L>::implicit() {
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
  if (on(CLONE)) {
    on(DIFFUSION) ? clone_by_diffusion(0) : clone(0);
    follow(ACTOR_TARGET, REFERENCE, set(5));
  }
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

// TD3+BC and ReBRAC; settings: noise, its clip, alpha or beta_1, beta_2.
template <class F, class C, class L>
void Worker<F, C, L>::td3() {
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

// `Diffusion.loss` of a network's noise, noise[at] [B, d], at steps by noise[at + 1] [B]: inputs to x, derivatives to
// `err`; the network has gone through.
template <class F, class C, class L>
double Worker<F, C, L>::denoise(Role role, int at, F* x) {
  const F *z = noise(at, B * d), *chosen = noise(at + 1, B), *a = a2;
  F* e = err.fit(B * d);
  const Int in = o + d + FEATURES;
  double loss = 0;
  for (Int b = 0; b < B; ++b) {
    const Int t = Int(chosen[b] * schedule.steps);
    std::copy_n(s_ + b * o, o, x + b * in);
    for (Int c = 0; c < d; ++c) x[b * in + o + c] = schedule.noised(t, a[b * d + c], z[b * d + c]);
    std::copy_n(&schedule.features[t * FEATURES], FEATURES, x + b * in + o + d);
  }
  const F* v = look(role, 0, x, o);
  for (Int i = 0; i < B * d; ++i) e[i] = v[i] - z[i], loss += e[i] * e[i], e[i] *= F(2) / (B * d);
  return loss;
}

template <class F, class C, class L>
void Worker<F, C, L>::clone_by_diffusion(int at) {
  F* x = path.fit(B * (o + d + FEATURES));
  const double loss = denoise(REFERENCE, at, x);
  descend(REFERENCE, 0, x, err, nullptr);
  metric(7, loss, B * d);
}

// `Diffusion.sample` by the running mean, noise 0 [T, B, N, d].
template <class F, class C, class L>
void Worker<F, C, L>::sample(F* x, Int b, Int n, Int N) {
  const Int size = n * N * d, w = actor.net.w[0], T = schedule.steps;
  const F* z = noise(0, T * B * N * d) + b * N * d;
  F* others = room.fit(w);
  std::copy_n(z, size, x);
  for (Int t = T - 1; t >= 0; --t) {
    const Back<F>& back = schedule.back[t];
    product(1, w, FEATURES, &schedule.features[t * FEATURES], FEATURES, actor.net.first + (o + d) * w, others, w);
    blocks(actor, x, b, n, N, F(0), [](Int, Int) {}, others);
    z += B * N * d;  // what the last step would add is not drawn
    for (Int i = 0; i < size; ++i) {
      const F mean = back.of_clean * clip(schedule.clean(t, x[i], actor.out[i])) + back.of_x * x[i];
      x[i] = t ? mean + back.spread * z[i] : clip(mean);
    }
  }
}

// `DiffusionQL.td_target`.
template <class F, class C, class L>
void Worker<F, C, L>::diffused_target() {
  const Int N = job.particles;
  double mean = 0;
  prepare(actor, ACTOR_TARGET, 0, s2, B, false);
  for (size_t e = 0; e < target.size(); ++e) prepare(target[e], TARGET, e, s2, B, false);
  for (Int b = 0; b < B; b += STATES) {
    const Int n = std::min(STATES, B - b);
    F* x = x2.fit(n * N * d);
    sample(x, b, n, N);
    for (auto& unit : target) {
      blocks(unit, x, b, n, N, F(0), [](Int, Int) {});
      for (Int i = 0; i < n; ++i) {  // each critic's largest, to its first place
        F best = unit.out[i * N];
        for (Int j = 1; j < N; ++j) {
          const F v = unit.out[i * N + j];
          best = v > best || std::isnan(v) ? v : best;
        }
        unit.out[i] = best;
      }
    }
    for (Int i = 0; i < n; ++i) mean += y[b + i] = bootstrap(b + i, aggregate(target, i, true));
  }
  metric(2, mean, B);
}

// Noise: the target's chain, cloning's [B, d] and steps [B], the policy's chain [T, B, d], which critic is followed;
// settings: eta, largest norm, rate and first update of the running mean.
template <class F, class C, class L>
void Worker<F, C, L>::diffusion_ql() {
  const Int T = schedule.steps, in = o + d + FEATURES, size = B * d;
  diffused_target();
  train_critic(1, nullptr, set(3));
  F* inputs = path.fit((T + 1) * B * in);
  const double cloning = denoise(ACTOR, 1, inputs + T * B * in);
  sum_of.fit(net(ACTOR)), grad.fit(net(ACTOR));
  backward<L, F>(learner.net, learner.pass, B, err, nullptr, inputs + T * B * in, nullptr, &sum_of);
  const F* z = noise(3, T * size);
  F *x = start.fit(size), *raw = sz.fit(T * size), *boxed = goal.fit(size);
  chain.resize(T);
  std::copy_n(z, size, x);
  for (Int t = T - 1; t >= 0; --t) {  // `Diffusion.sample`, each step kept
    const Back<F>& back = schedule.back[t];
    F* own = inputs + t * B * in;
    for (Int b = 0; b < B; ++b) {
      std::copy_n(s_ + b * o, o, own + b * in), std::copy_n(x + b * d, d, own + b * in + o);
      std::copy_n(&schedule.features[t * FEATURES], FEATURES, own + b * in + o + d);
    }
    std::swap(learner.pass, chain[t]);
    const F* predicted = learner.run(own, B);
    std::swap(learner.pass, chain[t]);
    z += size;
    for (Int i = 0; i < size; ++i) {
      raw[t * size + i] = schedule.clean(t, x[i], predicted[i]);
      const F mean = back.of_clean * clip(raw[t * size + i]) + back.of_x * x[i];
      x[i] = t ? mean + back.spread * z[i] : mean;
    }
  }
  for (Int i = 0; i < size; ++i) boxed[i] = clip(x[i]);
  values(critic, CRITIC, join(x2, s_, boxed, d), true);
  const bool first_one = *noise(4, 1) < F(0.5);
  const auto &led = critic[!first_one], &other = critic[first_one];
  double sum = 0, scale = 0;
  for (Int b = 0; b < B; ++b) sum += led.out[b], scale += std::abs(other.out[b]);
  F *g = score.fit(size), *dd = phi.fit(size), *back_to = part.fit(B * (d + FEATURES));
  for (Int i = 0; i < size; ++i) g[i] = std::abs(x[i]) <= 1 ? -set(2) * led.to_rest[i] / F(scale) : F(0);
  for (Int t = 0; t < T; ++t) {  // and back through its steps
    const Back<F>& back = schedule.back[t];
    for (Int i = 0; i < size; ++i) {
      const F clean = std::abs(raw[t * size + i]) <= 1 ? g[i] * back.of_clean : F(0);
      dd[i] = -clean * back.ratio, g[i] = g[i] * back.of_x + clean / back.root;
    }
    backward<L, F>(learner.net, chain[t], B, dd, nullptr, inputs + t * B * in, back_to, &grad);
    for (Int i = 0; i < size; ++i) g[i] += back_to[i / d * (d + FEATURES) + i % d];
    for (Int i = 0; i < count(net(ACTOR)); ++i)
      for (Int j = 0; j < length(net(ACTOR), i); ++j) sum_of.of[i][j] += grad.of[i][j];
  }
  descend_clipped(ACTOR, &sum_of, set(3));
  const Int done = job.first_update + u;
  if (done >= Int(set(5)) && done % job.delay == 0) follow(ACTOR_TARGET, ACTOR, set(4));
  follow(TARGET, CRITIC, set(1));
  metric(3, cloning, size), metric(4, -sum / scale, 1);
}

}  // namespace vgf
