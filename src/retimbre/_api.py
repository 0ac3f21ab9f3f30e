"""The public names, each from its room; imported when one of them is first used."""

from retimbre._content import Content as Content
from retimbre._texture import texture as texture
from retimbre._transfer import Transfer as Transfer
from retimbre._transfer import transfer as transfer
from retimbre.alignment.target import Choice as Choice
from retimbre.errors import AudioReadError as AudioReadError
from retimbre.errors import DependencyError as DependencyError
from retimbre.errors import DivergedError as DivergedError
from retimbre.errors import InputError as InputError
from retimbre.errors import RetimbreError as RetimbreError
from retimbre.errors import WeightsError as WeightsError
from retimbre.losses.modules import ContentLoss as ContentLoss
from retimbre.losses.modules import StyleLoss as StyleLoss
from retimbre.optim.step import Step as Step
from retimbre.result import Block as Block
from retimbre.result import Result as Result
from retimbre.settings import Settings as Settings
from retimbre.sound.audio import Audio as Audio
from retimbre.sound.files import read as read
from retimbre.sound.files import write as write
