"""PyTorch's DataLoader with Pillow, and ONNX Runtime for the model, which
PyTorch does not read: workers decode, the main process scores.

alone:  as many workers as cores, and as many threads of ONNX Runtime.
single: one worker that decodes, and as many threads as cores.
"""
import torch
from torch.utils.data import DataLoader, Dataset

import common


class Images(Dataset):
    def __init__(self, paths, draft):
        self.paths, self.draft = paths, draft

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return i, common.pixels(self.paths[i], self.draft)


def collate(items):
    return [i for i, _ in items], torch.from_numpy(common.tensor([p for _, p in items]))


if __name__ == "__main__":
    args = common.arguments("alone", "single")
    torch.set_num_threads(1)
    run, paths = common.session(args.model, args.cores), common.files(args.images)
    run(common.np.zeros((args.batch, 3, common.SIDE, common.SIDE), "float32"))
    loader = DataLoader(Images(paths, args.draft), batch_size=args.batch, collate_fn=collate,
                        num_workers=args.cores if args.form == "alone" else 1,
                        prefetch_factor=4, persistent_workers=True)
    next(iter(loader))  # the workers are up
    with open(args.rows, "w") as out, common.Clock(len(paths)) as clock:
        clock.workers_cpu = None
        for which, pixels in loader:
            out.writelines(common.rows([paths[i] for i in which], run(pixels.numpy())))
        out.flush()
