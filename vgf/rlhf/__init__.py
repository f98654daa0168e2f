"""Value gradient flow on language: the method on responses in place of actions, and what it is compared with.

Particles are N responses to one prompt, moved in a differentiable proxy space and brought back to tokens by a decoder;
kernel, direction and budget are those of `vgf.flow` (xu2026vgf). The default parts are small, real and come from
package registries: SmolLM2-135M, human ratings of movie-review snippets, and a MiniLM judge. The paper's own setting
goes by the names of its models and datasets.

    flow, relaxation, decoders   the method             parts/    third-party models and texts, and their preparation
    models, sampling, reward     what it acts on        rivals/   DPO, RLOO and PPO through TRL
    settings, stages, training   sft, reward, judge     study/    methods, records of prompts, table, commands
    placement                    how large models fit   latent/   the flow in a small space of sentences
"""
