"""The command line: `satsegment segment | terms | models | info`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from . import __version__, cli_terms
from .errors import Cancelled, InputError, SATError

DONE, BAD_INPUT, FAILED, CANCELLED = 0, 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Returns:
        0 done, 2 bad input, 3 failed, 130 stopped by Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    # nibabel reports odd headers through logging, in the middle of our own lines
    logging.getLogger("nibabel").setLevel(logging.ERROR)
    try:
        options.run(options)
        return DONE
    except InputError as error:
        return _complain(error, BAD_INPUT)
    except (Cancelled, KeyboardInterrupt):
        return _complain("stopped; nothing was written that is not complete.", CANCELLED)
    except (SATError, OSError, MemoryError) as error:
        return _complain(str(error) or "memory ran out; close other programs or use a smaller volume.", FAILED)
    except Exception:  # a defect of ours: all that is known of it, for a report
        traceback.print_exc()
        return FAILED


def _complain(message: object, code: int) -> int:
    print(f"satsegment: {' '.join(str(message).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="satsegment", description="Segment radiology scans by text.")
    parser.add_argument("--version", action="version", version=f"satsegment {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    segment = commands.add_parser("segment", help="segment a scan")
    segment.set_defaults(run=_segment)
    segment.add_argument("image", type=Path, help="NIfTI, NRRD, MetaImage, or a DICOM folder")
    segment.add_argument("--terms", nargs="+", required=True, metavar="TERM", help='such as "right lung" "spinal cord"')
    segment.add_argument("--modality", default="auto", help="auto (default), ct, mri, pet or us")
    segment.add_argument("--model", default="sat-tiny", help="name or folder (default: sat-tiny, built in)")
    segment.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    segment.add_argument("--precision", default="auto", help="auto (default), float32, float16, bfloat16")
    segment.add_argument(
        "--roi", nargs=6, type=float, metavar=("R0", "A0", "S0", "R1", "A1", "S1"), help="only this box, RAS mm"
    )
    segment.add_argument("--skip-air", action="store_true", help="leave out windows of nothing but air")
    segment.add_argument("--output", type=Path, help="FILE.seg.nrrd, or FILE.nii.gz for one label map")
    segment.add_argument("--masks", type=Path, help="folder for one NIfTI mask a term")
    segment.add_argument("--table", type=Path, help="volumes and intensities: FILE.csv or FILE.json")
    segment.add_argument("--overview", type=Path, help="picture of the result: FILE.png")
    segment.add_argument("--overwrite", action="store_true", help="replace files that exist")
    segment.add_argument("--json", action="store_true", help="print the results as JSON")

    cli_terms.add_parser(commands)

    models = commands.add_parser("models", help="list, download, import, convert, verify, remove models")
    actions = models.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="which models there are")
    listing.set_defaults(run=_models_list)
    listing.add_argument("--terms", metavar="MODEL", help="the terms a model was trained on")
    listing.add_argument("--json", action="store_true")
    download = actions.add_parser("download", help="download a published model")
    download.set_defaults(run=_models_download)
    download.add_argument("name")
    download.add_argument("--accept-terms", action="store_true", help="accept its terms of use")
    importing = actions.add_parser("import", help="install a model from files carried over by hand")
    importing.set_defaults(run=_models_import)
    importing.add_argument("path", type=Path, help="folder with the published files, or a model's folder or zip")
    convert = actions.add_parser("convert", help="write a published model as safetensors")
    convert.set_defaults(run=_models_convert)
    convert.add_argument("name", help="sat-nano or sat-pro")
    for option in ("checkpoint", "text-encoder", "vocabulary", "output"):
        convert.add_argument(f"--{option}", type=Path, required=True)
    convert.add_argument("--half", action="store_true", help="half precision, half the size")
    verify = actions.add_parser("verify", help="compare a model's files with their SHA-256")
    verify.set_defaults(run=_models_verify)
    verify.add_argument("name")
    remove = actions.add_parser("remove", help="delete an installed model")
    remove.set_defaults(run=_models_remove)
    remove.add_argument("name")

    info = commands.add_parser("info", help="versions, devices, memory, folders")
    info.set_defaults(run=_info)
    info.add_argument("--json", action="store_true")
    return parser


class _Bar:
    """Progress on stderr, where someone looks at it."""

    def __init__(self, unit: str, scale: bool = False) -> None:
        from tqdm import tqdm

        self._bar = tqdm(disable=not sys.stderr.isatty(), unit=unit, unit_scale=scale, leave=False)
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self._stage = stage
            self._bar.reset(total)
            self._bar.set_description(stage)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _segment(options: argparse.Namespace) -> None:
    from .imaging import Volume, modality_of_word
    from .models import find_model
    from .output import check_targets, mask_paths

    start = time.perf_counter()
    terms = list(dict.fromkeys(" ".join(term.lower().split()) for term in options.terms))
    if "" in terms:
        raise InputError("A term is empty.")
    _check_suffixes(options)
    files = [path for path in (options.output, options.table, options.overview) if path]
    masks = mask_paths(options.masks, terms) if options.masks else []
    targets = [path.resolve() for path in (*files, *masks)]
    if len(set(targets)) < len(targets) or options.image.resolve() in targets:
        raise InputError("Each output needs a name of its own, and none may be the image's.")
    check_targets(targets, options.overwrite)
    model = find_model(options.model)
    modality = None if options.modality == "auto" else modality_of_word(options.modality)
    volume = Volume.read(options.image, modality)

    from .inference import Predictor
    from .models.loading import load

    loaded = load(model)
    prompts = _prompts(loaded, terms, volume.modality)
    free_text = _free_text(loaded, prompts, volume.modality)
    predictor = Predictor(loaded.network, loaded.prompts, options.device, options.precision)
    asked = list(dict.fromkeys(prompts.values()))
    loaded.prompts.encode(asked, volume.modality)  # a missing text encoder is found before the long part
    ready = time.perf_counter()
    bar = _Bar("window")
    try:
        predictor.set_image(volume, roi=options.roi, skip_air=options.skip_air, progress=bar)
        encoded = time.perf_counter()
        results = {result.prompt: result for result in predictor.predict(asked, progress=bar)}
        segmented = time.perf_counter()
    finally:
        bar.close()
        predictor.store.close()

    rows, outputs = _write(options, volume, {term: results[prompt] for term, prompt in prompts.items()}, model.name)
    seconds = {"prepare": ready - start, "encode": encoded - ready, "segment": segmented - encoded}
    for row in rows:
        row["free_text"] = row["name"] in free_text
    if options.json:
        report = {
            "image": str(options.image),
            "model": model.name,
            "modality": volume.modality,
            "device": str(predictor.device),
            "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
            "segments": rows,
            "outputs": outputs,
        }
        print(json.dumps(report, indent=2))
    else:
        _print_results(volume, model, predictor, rows, seconds, outputs)


def _check_suffixes(options: argparse.Namespace) -> None:
    for name, path, suffixes in (
        ("--output", options.output, (".seg.nrrd", ".nii.gz", ".nii")),
        ("--table", options.table, (".csv", ".json")),
        ("--overview", options.overview, (".png",)),
    ):
        if path and not path.name.lower().endswith(suffixes):
            raise InputError(f"{name} must end in {' or '.join(suffixes)}; {path.name} does not.")


def _prompts(loaded, terms: list[str], modality: str) -> dict[str, str]:
    """Of each term the text to ask the model with: the name it was trained on, where the term is another name of it."""
    from .anatomy import Vocabulary, knowledge_tree, term_index

    trained = {(term.term, term.modality) for term in loaded.terms}
    if all((term, modality) in trained for term in terms):
        return {term: term for term in terms}
    vocabulary = Vocabulary(knowledge_tree(), sorted(trained))
    prompts, notes = {}, []
    for term in terms:
        meant = [] if (term, modality) in trained else term_index().meant(term, vocabulary, modality)
        names = [vocabulary.prompt(one, modality) for one in meant] or [term]
        prompts[term] = names[0]
        if names[0] != term:
            others = f" (it may also mean {', '.join(names[1:])}: ask for that by name)" if names[1:] else ""
            notes.append(f'satsegment: "{term}" is asked for as "{names[0]}"{others}.')
    for prompt, count in Counter(prompts.values()).items():
        if count > 1:
            same = " and ".join(f'"{term}"' for term in prompts if prompts[term] == prompt)
            raise InputError(f"{same} mean the same; ask for one of them.")
    for note in notes:
        print(note, file=sys.stderr)
    return prompts


def _free_text(loaded, prompts: dict[str, str], modality: str) -> set[str]:
    """The terms a model was not trained on for a modality, said on stderr with what comes near."""
    from difflib import get_close_matches

    if not loaded.terms:
        return set()
    known = [term.term for term in loaded.terms if term.modality == modality]
    unknown = [term for term, prompt in prompts.items() if prompt not in known]
    for term in unknown:
        near = get_close_matches(term, known, 3, 0.7)
        hint = f"; near are {', '.join(near)}" if near else ""
        print(
            f'satsegment: "{term}" is free text: {loaded.folder.name} was not trained on it for {modality}{hint}.',
            file=sys.stderr,
        )
    return set(unknown)


def _write(options: argparse.Namespace, volume, results, model: str) -> tuple[list[dict], dict[str, str]]:
    from .anatomy import coded_entry
    from .output import Segment, measure, write_label_map, write_masks, write_overview, write_seg_nrrd, write_table

    segments = [Segment(term, result.region, coded_entry(result.prompt)) for term, result in results.items()]
    rows = [
        measure(volume, segment, result.confidence) for segment, result in zip(segments, results.values(), strict=True)
    ]
    outputs = {}
    if options.masks:
        write_masks(options.masks, volume, segments)
        outputs["masks"] = str(options.masks)
    if options.table:
        write_table(options.table, rows)
        outputs["table"] = str(options.table)
    if options.overview:
        write_overview(options.overview, volume, segments, f"{volume.name} · {model}")
        outputs["overview"] = str(options.overview)
    if options.output:  # last, as terms that overlap do not fit a label map
        if options.output.name.lower().endswith(".seg.nrrd"):
            made_by = {"SlicerSAT_version": __version__, "SlicerSAT_model": model}
            write_seg_nrrd(options.output, volume, segments, made_by)
        else:
            write_label_map(options.output, volume, segments)
        outputs["output"] = str(options.output)
    return rows, outputs


def _print_results(volume, model, predictor, rows, seconds, outputs) -> None:
    shape = " x ".join(map(str, volume.shape))
    print(f"{volume.name}: {volume.modality}, {shape} voxels; {model.title}, {predictor.device}")
    if model.built_in:
        print(model.note)
    width = max(len(row["name"]) for row in rows)
    print(f"\n{'term':{width}}  {'volume':>11}  {'confidence':>10}")
    for row in rows:
        confidence = f"{row['confidence']:10.2f}" if row["voxels"] else "   not found"
        print(
            f"{row['name']:{width}}  {row['volume_ml']:8.1f} ml {confidence}{'  free text' if row['free_text'] else ''}"
        )
    print(f"\n{seconds['encode']:.1f} s for the image, {seconds['segment']:.1f} s for the terms")
    for path in outputs.values():
        print(f"wrote {path}")


def _models_list(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.catalog import catalog
    from .models.folder import read_terms

    if options.terms:
        model = find_model(options.terms)
        if not model.installed:
            raise InputError(f"{model.name} is not installed.")
        terms = read_terms(model.folder)
        if options.json:
            print(json.dumps([vars(term) for term in terms], indent=2))
        for term in () if options.json else terms:
            dice = "" if term.dice is None else f"  Dice {term.dice:.2f}"
            cases = "" if term.cases is None else f"trained on {term.cases:3}"
            print(f"{term.modality:4} {term.term:40} {cases}{dice}".rstrip())
        if not terms and not options.json:
            print(f"{options.terms} carries no list of terms; any text can be asked.")
        return
    rows = [{key: value for key, value in row.items() if key != "terms"} for row in catalog()]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        download = f"{row['download_megabytes']} MB to download" if row["download_megabytes"] else ""
        size = f"{row['megabytes']} MB" if row["megabytes"] else download
        modalities = ", ".join(row["modalities"])
        print(f"{row['name']:10} {row['state']:14} {size:22} {modalities:14} {row['title']}. {row['note']}")


def _models_download(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.installing import download_model

    model = find_model(options.name)
    if model.hub and not options.accept_terms:
        raise InputError(
            f"{model.name} ({model.hub.download_mb} MB) comes from {model.hub.terms} under its authors' terms of use. "
            f"Read them there, then run `satsegment models download {model.name} --accept-terms`."
        )
    bar = _Bar("B", scale=True)
    try:
        download_model(model, bar)
    finally:
        bar.close()
    print(f"{model.name} is installed in {model.folder}.")


def _models_import(options: argparse.Namespace) -> None:
    from .models.installing import import_model

    model = import_model(options.path)
    print(f"{model.name} is installed in {model.folder}.")


def _models_convert(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.installing import convert
    from .models.registry import disk_use

    model = find_model(options.name)
    convert(model, options.checkpoint, options.text_encoder, options.vocabulary, options.output, options.half)
    print(f"wrote {options.output}, {disk_use(options.output) / 1e6:.0f} MB")


def _models_verify(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.folder import ModelFolder

    model = find_model(options.name)
    folder = ModelFolder.read(model.folder)
    folder.check(model.folder)
    print(f"{model.name}: all {len(folder.sha256)} files are as they should be.")


def _models_remove(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.registry import remove

    model = find_model(options.name)
    freed = remove(model)
    print(f"{model.name} is removed; {freed / 1e6:.0f} MB are free again.")


def _info(options: argparse.Namespace) -> None:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import psutil
    import torch

    from .inference.device import choose_device
    from .models.registry import data_folder, disk_use, models_folder

    def version_of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    values = {
        "satsegment": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version_of(package) for package in ("torch", "transformers", "nibabel", "SimpleITK", "slicerio")},
        "device": str(choose_device()),
        "gpus": gpus,
        "free_memory_gb": round(psutil.virtual_memory().available / 1e9, 1),
        "models_folder": str(models_folder()),
        "models_megabytes": round(disk_use(models_folder()) / 1e6, 1),
        "cache_megabytes": round(disk_use(data_folder() / "cache") / 1e6, 1),
    }
    if options.json:
        print(json.dumps(values, indent=2))
        return
    for name, value in values.items():
        print(f"{name:18} {', '.join(value) or 'none' if isinstance(value, list) else value}")
